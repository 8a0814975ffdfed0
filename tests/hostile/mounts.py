"""A mount namespace in which folders are small or read-only, as a user without rights over the system has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.make.projects import required

_ENTER = ("--user", "--mount", "--preserve-credentials", "--")


@dataclass(frozen=True)
class Mounts:
    """A namespace that lives as long as its process; what is mounted there, nobody else sees."""

    pid: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """Starts a program inside; it owns all files of this user, and modes count for it as for any user."""
        return (
            "nsenter",
            "--target",
            str(self.pid),
            *_ENTER,
            "unshare",
            "--user",
            "--map-user=1000",
            "--map-group=1000",
        )

    def instead(self, folder: Path, other: Path) -> None:
        """Show another folder in place of a folder."""
        self._do('mount --bind "$2" "$1"', folder, other)

    def small(self, folder: Path, free: int) -> None:
        """Move a folder with its files to a file system that has so many bytes left; it is made if it is absent."""
        folder.mkdir(parents=True, exist_ok=True)
        self._do(
            'mkdir "$1.small"; mount -t tmpfs small "$1.small"; cp -a "$1/." "$1.small"; mount --move "$1.small" "$1";'
            'rmdir "$1.small"; used=$(df --output=used --block-size=1 "$1" | tail -n 1);'
            'mount -o "remount,size=$((used + $2 + 4096))" "$1"',
            folder,
            free,
        )

    def grow(self, folder: Path) -> None:
        """Give a small folder as much space as anybody needs."""
        self._do('mount -o remount,size=4g,nr_inodes=1m "$1"', folder)

    def no_more_files(self, folder: Path) -> None:
        """Let a small folder have no room for another file or folder."""
        self._do(
            'used=$(df --output=iused "$1" | tail -n 1); mount -o "remount,nr_inodes=$((used))" "$1"',
            folder,
        )

    def read_only(self, folder: Path) -> None:
        """Forbid writing to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._do('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', folder)

    def seen(self, path: Path) -> Path:
        """Return a path by which this process finds what the path leads to inside."""
        return Path("/proc", str(self.pid), "root", *path.parts[1:])

    def _do(self, script: str, *arguments: object) -> None:
        inside = ["nsenter", "--target", str(self.pid), *_ENTER]
        words = map(str, arguments)
        subprocess.run([*inside, "/bin/sh", "-euc", script, "sh", *words], check=True, stdin=subprocess.DEVNULL)


@contextmanager
def mounts() -> Iterator[Mounts]:
    """Keep a namespace while the block runs; without one the test is skipped."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        if not process.stdout.readline():
            required(f"no namespace can be made: {process.stderr.read().strip()}")
        try:
            yield Mounts(process.pid)
        finally:
            process.stdin.close()
