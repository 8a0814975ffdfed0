"""What a bundle's programs run in: this machine itself, or something that stands for another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bundle.base.processes.run import Completed
from bundle.base.report import Reporter

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
class EmulatorWorkspace:
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

    def ready(self, room: EmulatorWorkspace) -> AbstractContextManager[Runner]:
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
