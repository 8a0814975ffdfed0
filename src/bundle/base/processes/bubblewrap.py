"""Bubblewrap: gives a program of Linux its own view of the files, its own processes, and no network."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.processes.run import Completed, run
from bundle.base.processes.stream import unstartable
from bundle.base.text import last_lines

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"),
    *("/nix/store", "/gnu/store", "/run/current-system"),
)
"""The folders of programs, headers and libraries."""

_SETTINGS = (
    *("alternatives", "ca-certificates", "crypto-policies", "group", "gai.conf", "host.conf", "hosts", "ld.so.cache"),
    *("ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki/ca-trust"),
    *("pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "protocols", "resolv.conf", "services"),
    *("ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "timezone"),
)
"""What programs read below /etc; all else there, such as keys and passwords, is not shown."""

_ORDINARY = "1000"
"""The user and group that root becomes inside: programs that see root change the owners of files, which fails there."""

_PROBE_SECONDS = 30

_KILLED, _SIGNALS = 128, 65
"""Bubblewrap ends with the sum of the first and the number of the signal that ended the program."""

_REFUSED = re.compile(r"bwrap: execvp (?P<program>.*): (?P<why>[^:]*)")


@dataclass(frozen=True, kw_only=True)
class View:
    """What an enclosed program sees besides the system's own programs and libraries."""

    shown: tuple[Path, ...]
    """Files and folders that it may read; links are followed, and those that do not exist are left out."""
    writable: Path
    """The one folder that it may change."""
    hidden: tuple[Path, ...] = ()
    """Folders that are not shown, even where they lie within one that is."""
    network: bool = False


@cache
def unusable(path: str) -> str | None:
    """Return why bubblewrap cannot be used on this machine, None if it can; tried once in a process.

    Args:
        path: the folders in which programs are found (`PATH`).
    """
    program = shutil.which("bwrap", path=path)
    if program is None:
        return "bwrap is not on PATH"
    with tempfile.TemporaryDirectory() as folder:
        view = View(shown=(), writable=Path(folder))
        try:
            tried = run(enclosed(["/bin/sh", "-c", "exit 0"], view, path), env={}, timeout=_PROBE_SECONDS)
        except WorkError as error:
            return error.what
    if tried.code == 0 and not tried.timed_out:
        return None
    return (last_lines(tried.errors, 1) or (f"bwrap ended with exit code {tried.code}",))[0]


def enclosed(command: Sequence[str | Path], view: View, path: str) -> list[str | Path]:
    """Return the command line that runs a program with its own view of the files and its own processes.

    All paths inside are those outside. The processes end with the program, or when this process ends.

    Args:
        path: the folders in which programs are found (`PATH`); bubblewrap is the first there.
    """
    program = shutil.which("bwrap", path=path) or "bwrap"
    parts: list[str | Path] = [program, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    if view.network:
        parts += ["--share-net"]
    if os.geteuid() == 0:
        parts += ["--unshare-user", "--uid", _ORDINARY, "--gid", _ORDINARY]
    parts += ["--dev", "/dev", "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108 - inside
    parts += _system()
    parts += _hidden(view)
    for place in _outermost(_both_ways(view.shown)):
        parts += ["--ro-bind", place, place]
    for place in _outermost(_both_ways([view.writable])):
        parts += ["--bind", place, place]
    return [*parts, "--remount-ro", "/", "--", *command]


def mounted(folder: Path, place: Path) -> tuple[str, ...] | None:
    """Return the beginning of a command line that shows a folder in another place, too, where nothing can change it.

    Args:
        folder: stays where it is as well.
        place: an empty folder.

    Returns:
        None where bubblewrap cannot do that, such as on other systems than Linux.
    """
    if sys.platform != "linux":
        return None
    program, entry = shutil.which("bwrap"), next(folder.iterdir(), None)
    if program is None or entry is None:
        return None
    prefix = (program, "--die-with-parent", "--dev-bind", "/", "/", "--ro-bind", str(folder), str(place), "--")
    probe = ("/bin/sh", "-c", 'test -e "$0"', str(place / entry.name))
    try:
        tried = run([*prefix, *probe], env={}, timeout=_PROBE_SECONDS)
    except WorkError:
        return None
    return prefix if tried.code == 0 and not tried.timed_out else None


def as_without(completed: Completed) -> Completed:
    """Return the end of a program that ran below bubblewrap as it would have been without.

    Raises:
        WorkError: the program cannot be started.
    """
    if completed.code == 1 and (refused := _REFUSED.fullmatch(completed.errors.rstrip())):
        raise unstartable(refused["program"], refused["why"])
    killed = completed.code - _KILLED
    return replace(completed, code=-killed) if 0 < killed < _SIGNALS else completed


def _system() -> Iterator[str]:
    for place in map(Path, _SYSTEM):
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))
    for name in _SETTINGS:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _hidden(view: View) -> Iterator[str | Path]:
    """Yield options for empty folders in place of those that lie within a folder of the system."""
    within = [place for place in map(Path.resolve, view.hidden) if place.is_dir() and _is_system(place)]
    for place in _outermost(within):
        yield from ("--tmpfs", place)


def _is_system(place: Path) -> bool:
    return any(Path(root) in place.parents for root in _SYSTEM)


def _both_ways(places: Iterable[Path]) -> Iterator[Path]:
    """Yield each path as it is written and without links: programs learn both."""
    for place in places:
        yield from (place.absolute(), place.resolve())


def _outermost(places: Iterable[Path]) -> list[Path]:
    """Return the places that exist, without those within another one, where bubblewrap could make no mount point."""
    found = sorted({place for place in places if place.exists()})
    return [place for place in found if not any(other in place.parents for other in found)]
