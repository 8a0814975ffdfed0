"""What a bundle's programs run in: this machine itself, or something that stands for another one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bundle.base.errors import ConfigError
from bundle.base.process import Completed
from bundle.base.report import Reporter
from bundle.model.platforms import Platform

Which = Callable[[str], str | None]
"""Finds a program by its name, as `shutil.which` does."""


class Runner(Protocol):
    """Starts a bundle's programs, and knows its own failures from theirs."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that it needs, over those of the bundle's programs."""

    @property
    def children(self) -> bool:
        """Whether a program of the bundle can start another one of the bundle."""

    @property
    def shell(self) -> bool:
        """Whether a script that begins with `#!/bin/sh` can be started by its own name."""

    @property
    def patience(self) -> float:
        """How many times longer than on the machine itself things may take."""

    @property
    def place(self) -> str:
        """Where programs run, for messages; empty on the machine itself."""

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line that starts a program of the bundle.

        Args:
            program: an absolute path of this machine.
            arguments: as the program is to see them.
        """

    def translate(self, path: Path) -> str:
        """Return a path of this machine as the bundle's programs write it."""

    def unstarted(self, completed: Completed) -> str | None:
        """Return the runner's words if it could not start the program at all: there is none, or none of its kind."""

    def inconclusive(self, completed: Completed) -> str | None:
        """Return the runner's words if what went wrong is its own failure or lack, not the bundle's."""


@dataclass(frozen=True, kw_only=True)
class Native:
    """The machine itself."""

    name: str = "this machine"
    environment: Mapping[str, str] = field(default_factory=dict)
    children: bool = True
    shell: bool = True
    patience: float = 1.0
    place: str = ""

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the program and its arguments."""
        return [str(program), *arguments]

    def translate(self, path: Path) -> str:
        """Return the path."""
        return str(path)

    def unstarted(self, completed: Completed) -> str | None:  # noqa: ARG002  # It is the system that refuses here.
        """Return nothing."""
        return None

    def inconclusive(self, completed: Completed) -> str | None:  # noqa: ARG002  # Here every failure counts.
        """Return nothing."""
        return None


NATIVE = Native()


@dataclass(frozen=True, kw_only=True)
class Room:
    """What an emulator may use while a bundle is verified."""

    bundle: Path
    """The bundle's folder; nothing is written there."""
    scratch: Path
    """An empty folder of this verification, gone afterwards."""
    work: Path
    """A folder for what the next verification can use, too."""
    reporter: Reporter


class Emulator(Protocol):
    """Something found on this machine that can run the programs of a platform."""

    @property
    def name(self) -> str:
        """What people call it."""

    def ready(self, room: Room) -> AbstractContextManager[Runner]:
        """Prepare it for one bundle, and end what was started behind the block.

        Raises:
            WorkError: it cannot be prepared.
        """


@dataclass(frozen=True, kw_only=True)
class Missing:
    """That nothing here runs the programs of a platform."""

    what: str
    """One sentence."""
    remedy: str
    """What to install, or where else to go."""


def find_runner(
    platform: Platform, *, machine: Platform | None, environ: Mapping[str, str], root: Path | None = None
) -> Emulator | Missing | None:
    """Find what runs a platform's programs on this machine; nothing is installed and nothing started.

    Args:
        platform: what the bundle is for.
        machine: the platform of this machine.
        environ: `PATH` and the variables that name sysroots.
        root: a folder with another Linux system that the programs are to see in place of this one.

    Returns:
        None where the machine itself does.

    Raises:
        ConfigError: the root, or a sysroot that a variable names, is none of the platform.
    """
    from bundle.make.verify.emulators.qemu import find_qemu
    from bundle.make.verify.emulators.root_folder import find_rooted
    from bundle.make.verify.emulators.wine import find_wine

    def which(name: str) -> str | None:
        return shutil.which(name, path=environ.get("PATH"))

    if root is not None and platform.system != "linux":
        raise ConfigError(
            f"--root is for Linux bundles; this one is for {platform.key}.", remedy="Leave --root out for this bundle."
        )
    if platform == machine:
        return None if root is None else find_rooted(platform, root, which)
    if machine is not None and machine.system == platform.system == "linux":
        return find_qemu(platform, environ, which, root)
    if platform.is_windows and machine is not None and machine.machine == "x86_64":
        return find_wine(which)
    return Missing(
        what=f"nothing on this machine can run programs for {platform.key}.",
        remedy=f"Run `bundle verify` on a machine of {platform.key}.",
    )
