"""Programs of this machine's kind, run where they see another Linux system, or nothing but its C library."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.loader_errors import lacking, require_loader
from bundle.make.verify.emulators.protocol import EmulatorWorkspace, Missing, Which
from bundle.model.platforms import Platform

_OWN = frozenset({"dev", "proc", "sys", "tmp"})
"""What the programs get from this machine, or empty, in place of the root's."""

_REFUSAL = re.compile(r"(?:bwrap: execvp|unshare: failed to execute) .*")
_FAULT = re.compile(r"(?:bwrap|unshare|mount): .*")

_TEMPORARY = "/tmp"  # noqa: S108  # Inside, where it is empty and gone with the program.

Entry = tuple[Literal["folder", "file", "link"], Path, str]
"""What is put into place, where it comes from (or leads to), and where it goes."""


@dataclass(frozen=True, kw_only=True)
class RootedRunner:
    """Another root, with the bundle and the scratch folder where they are on this machine."""

    root: Path
    prefix: tuple[str, ...]
    """The command line that changes the root."""
    shell: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    children: bool = True
    patience: float = 1.0

    @property
    def name(self) -> str:
        """What the root is changed by."""
        return f"{Path(self.prefix[0]).name} in {self.root}"

    @property
    def place(self) -> str:
        """The root."""
        return str(self.root)

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [*self.prefix, str(program), *arguments]

    def translate(self, path: Path) -> str:
        """Return the path: it is the same inside."""
        return str(path)

    def unstarted(self, completed: Completed) -> str | None:
        """Return what is said of a program that is not there."""
        match = _REFUSAL.match(completed.errors)
        return match[0] if match and completed.code else None

    def inconclusive(self, completed: Completed) -> str | None:
        """Return why the root could not be changed, or what the root lacks."""
        first = completed.errors.partition("\n")[0]
        if completed.code and _FAULT.match(first):
            return first
        return lacking(completed.errors, str(self.root))


@dataclass(frozen=True, kw_only=True)
class RootFolder:
    """A root, and what can change to it."""

    root: Path
    bwrap: str | None
    unshare: str | None

    @property
    def name(self) -> str:
        """The root."""
        return f"the root {self.root}"

    @contextmanager
    def ready(self, room: EmulatorWorkspace) -> Iterator[RootedRunner]:
        """Give a runner that shows the root, the bundle and the scratch folder; only the last can be written."""
        entries = tuple(shown(self.root, (room.bundle, room.scratch)))
        if self.bwrap is not None:
            prefix = bwrap_prefix(self.bwrap, entries, bundle=room.bundle, scratch=room.scratch)
        else:
            folder = room.scratch / "root"
            folder.mkdir()
            prefix = unshare_prefix(str(self.unshare), entries, bundle=room.bundle, scratch=room.scratch, root=folder)
        yield RootedRunner(root=self.root, prefix=prefix, shell=os.path.lexists(self.root / "bin" / "sh"))


def find_root_folder(platform: Platform, root: Path, which: Which) -> RootFolder | Missing:
    """Find what can show programs another root.

    Args:
        platform: the machine's.
        root: the folder.
        which: finds programs.

    Raises:
        ConfigError: the folder is no system of the platform.
    """
    root = require_loader(root, platform, "--root")
    bwrap = which("bwrap")
    unshare = which("unshare") if os.geteuid() == 0 else None
    if bwrap is None and unshare is None:
        return Missing(
            what="there is neither bubblewrap nor the right to change the root.",
            remedy="Install bubblewrap (Debian: apt-get install bubblewrap), or be root.",
        )
    return RootFolder(root=root, bwrap=bwrap, unshare=unshare)


def shown(root: Path, room: Sequence[Path], below: str = "") -> Iterator[Entry]:
    """Yield what of a root is shown as it is: all of it, but for the folders on the way to others.

    Args:
        root: the folder.
        room: absolute paths that must be free for others.
        below: the folder of the root that is listed, relative to it.
    """
    needed = {Path(*path.parts[1:]) for path in room}
    ways = {way for path in needed for way in path.parents}
    for entry in sorted(os.scandir(root / below), key=lambda entry: entry.name):
        path = f"{below}/{entry.name}".lstrip("/")
        if path in _OWN or Path(path) in needed:
            continue
        if entry.is_symlink():
            yield "link", Path(entry.path).readlink(), f"/{path}"
        elif entry.is_dir() and Path(path) in ways:
            yield from shown(root, room, path)
        elif entry.is_dir():
            yield "folder", Path(entry.path), f"/{path}"
        else:
            yield "file", Path(entry.path), f"/{path}"


def bwrap_prefix(program: str, entries: Sequence[Entry], *, bundle: Path, scratch: Path) -> tuple[str, ...]:
    """Return bubblewrap's part of the command line.

    Args:
        program: bubblewrap.
        entries: what is shown of the root.
        bundle: shown, and cannot be written.
        scratch: shown, can be written, and is where programs start.
    """
    parts = [program]
    for kind, source, target in entries:
        parts += ["--symlink" if kind == "link" else "--ro-bind", str(source), target]
    # The machine's own /proc: a new one would need processes of its own, and their signals would be lost.
    parts += ["--dev", "/dev", "--ro-bind", "/proc", "/proc", "--tmpfs", _TEMPORARY]
    parts += ["--ro-bind", str(bundle), str(bundle), "--bind", str(scratch), str(scratch)]
    return (*parts, "--chdir", str(scratch), "--")


def unshare_prefix(
    program: str, entries: Sequence[Entry], *, bundle: Path, scratch: Path, root: Path
) -> tuple[str, ...]:
    """Return a command line that does the same with nothing but util-linux and coreutils; only for who is root.

    Args:
        program: `unshare`.
        entries: what is shown of the root.
        bundle: shown, and cannot be written.
        scratch: shown, can be written, and is where programs start.
        root: an empty folder to build in; only the program and its children see what is there.
    """

    def at(target: Path | str) -> str:
        return shlex.quote(f"{root}{target}")

    def bind(source: Path, target: str) -> list[str]:
        return [f"mkdir -p {at(target)}", f"mount --bind {shlex.quote(str(source))} {at(target)}"]

    lines = ["set -e", f"mount -t tmpfs none {at('')}"]
    for kind, source, target in entries:
        if kind == "link":
            lines += [f"mkdir -p {at(Path(target).parent)}", f"ln -s {shlex.quote(str(source))} {at(target)}"]
        elif kind == "file":
            lines += [f"mkdir -p {at(Path(target).parent)}", f"cp -p {shlex.quote(str(source))} {at(target)}"]
        else:
            lines += [*bind(source, target), f"mount -o remount,bind,ro {at(target)}"]
    lines += [f"mkdir -p {at(_TEMPORARY)}", *bind(Path("/proc"), "/proc"), *bind(Path("/dev"), "/dev")]
    lines += [*bind(bundle, str(bundle)), f"mount -o remount,bind,ro {at(bundle)}", *bind(scratch, str(scratch))]
    # Not chroot(1), which starts programs in the root alone.
    lines.append(f'exec {shlex.quote(program)} --root={at("")} --wd={shlex.quote(str(scratch))} "$@"')
    return (program, "--mount", "/bin/sh", "-c", "\n".join(lines), "sh")
