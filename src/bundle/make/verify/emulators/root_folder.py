"""Bubblewrap: runs the programs of a Linux bundle with another system, or a bare C library, as their root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bundle.artifacts.runtime import Again
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.loader_errors import require_loader
from bundle.make.verify.emulators.protocol import EmulatedRunner, EmulatorWorkspace, Missing, Which
from bundle.model.platforms import Platform

_OWN = frozenset({"dev", "proc", "sys", "tmp"})
"""Folders that are this machine's, or empty, instead of the root's."""

_FAULT = re.compile(r"bwrap: .*")

_STARTED = '"child-pid"'
"""Bubblewrap's status once the program runs; see `--json-status-fd` in bwrap(1)."""

_TEMPORARY = "/tmp"  # noqa: S108 - inside the root, empty and removed with the program

Entry = tuple[Literal["folder", "file", "link"], Path, str]
"""Kind, source (or target of a link), and place inside the root."""


@dataclass(frozen=True, kw_only=True)
class RootedRunner(EmulatedRunner):
    """Another root, with the bundle and the scratch folder where they are on this machine."""

    refusal = re.compile(r"bwrap: execvp .*")

    root: Path
    prefix: tuple[str, ...]
    """The command line that changes the root."""
    shell: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    children: bool = True
    patience: float = 1.0

    @property
    def name(self) -> str:
        """Bubblewrap and the root."""
        return f"{Path(self.prefix[0]).name} in {self.root}"

    @property
    def place(self) -> str:
        """The root."""
        return f"the root {self.root}"

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [*self.prefix, str(program), *arguments]

    def inconclusive(self, completed: Completed, again: Again) -> str | None:
        """Return bubblewrap's error message."""
        first = completed.errors.partition("\n")[0]
        if completed.code and _FAULT.match(first):
            told = again(replace(self, prefix=(self.prefix[0], "--json-status-fd", "1", *self.prefix[1:])))
            if _STARTED not in told.output:
                return first
        return None


@dataclass(frozen=True, kw_only=True)
class RootFolder:
    """A folder with another Linux system, and bubblewrap, which shows it to programs as their root."""

    root: Path
    bwrap: str

    @property
    def name(self) -> str:
        """The root."""
        return f"the root {self.root}"

    @contextmanager
    def ready(self, workspace: EmulatorWorkspace) -> Iterator[RootedRunner]:
        """Give a runner that shows the root, the bundle and the scratch folder; only the last is writable."""
        bundle, scratch = workspace.bundle, workspace.scratch
        entries = tuple(shown(self.root, (bundle, scratch)))
        prefix = bwrap_prefix(self.bwrap, entries, bundle=bundle, scratch=scratch)
        yield RootedRunner(root=self.root, prefix=prefix, shell=os.path.lexists(self.root / "bin" / "sh"))


def find_root_folder(platform: Platform, root: Path, which: Which) -> RootFolder | Missing:
    """Find bubblewrap, which shows another root to programs.

    Raises:
        ConfigError: the root has no program loader of the platform.
    """
    root = require_loader(root, platform, "--root")
    bwrap = which("bwrap")
    if bwrap is None:
        return Missing(
            what="bwrap is not on PATH; without it programs cannot run in another root.",
            remedy="Install bubblewrap (Debian: apt-get install bubblewrap).",
        )
    return RootFolder(root=root, bwrap=bwrap)


def shown(root: Path, mounts: Sequence[Path], below: str = "") -> Iterator[Entry]:
    """Yield the entries of a root to show; a folder that contains a mount point is shown by its entries.

    Args:
        mounts: absolute paths at which other folders are mounted.
        below: the folder of the root to list, relative to it.
    """
    needed = {Path(*path.parts[1:]) for path in mounts}
    ways = {way for path in needed for way in path.parents}
    with os.scandir(root / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{below}/{entry.name}".lstrip("/")
        if path in _OWN or Path(path) in needed:
            continue
        if entry.is_symlink():
            yield "link", Path(entry.path).readlink(), f"/{path}"
        elif entry.is_dir() and Path(path) in ways:
            yield from shown(root, mounts, path)
        elif entry.is_dir():
            yield "folder", Path(entry.path), f"/{path}"
        else:
            yield "file", Path(entry.path), f"/{path}"


def bwrap_prefix(program: str, entries: Sequence[Entry], *, bundle: Path, scratch: Path) -> tuple[str, ...]:
    """Return bubblewrap's part of the command line.

    The bundle is shown read-only, the scratch folder writable and as the working folder.
    """
    parts = [program]
    for kind, source, target in entries:
        parts += ["--symlink" if kind == "link" else "--ro-bind", str(source), target]
    # The machine's own /proc: a new one needs a process namespace, which swallows signals.
    parts += ["--dev", "/dev", "--ro-bind", "/proc", "/proc", "--tmpfs", _TEMPORARY]
    parts += ["--ro-bind", str(bundle), str(bundle), "--bind", str(scratch), str(scratch)]
    return (*parts, "--chdir", str(scratch), "--")
