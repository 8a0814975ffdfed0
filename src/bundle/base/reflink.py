"""Trees of stored files: clones where the file system has them, else copies, never hard links.

A hard link would be quicker, but editing the result would change what is stored.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Sequence
from io import FileIO
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from bundle.base.files import copy_hashed

_FICLONE = 0x40049409
"""Makes one file share another's blocks (ioctl_ficlonerange(2): btrfs, XFS, bcachefs, overlay above them)."""

_TICK = 20_000_000
"""Nanoseconds by which the times of files may be behind the clock: these advance with the kernel's timer."""

_BATCH = 256
"""Files that one thread takes at a time: few enough to share the work evenly."""

_REFUSED = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""Errors that say that a file system cannot do what was asked for."""


class Placement(NamedTuple):
    """One file to be made from a stored one."""

    source: str
    target: str
    mode: int
    """Permission bits."""
    sha256: str | None = None
    """Of the stored bytes; compared with them where they are copied, and not where they are cloned, unread."""
    read: int = 0
    """When this process began to read the stored bytes, in nanoseconds since 1970: what has not changed since has the
    SHA-256."""


class ChangedBytesError(Exception):
    """A stored file does not have the SHA-256 that was asked for."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


def place_file(source: Path, target: Path) -> None:
    """Make a file with the content, mode and time of a stored one, sharing blocks where the file system can.

    Raises:
        FileExistsError: `target` exists.
    """
    status = source.stat()
    job = Placement(os.fspath(source), os.fspath(target), stat.S_IMODE(status.st_mode))
    _place([job], int(status.st_mtime))


def place_tree(entries: Sequence[Placement], *, mtime: int, threads: int = 2) -> None:
    """Make many files with the content of stored ones, as quickly as the system can.

    Args:
        entries: missing folders of their targets are made with mode 0755, and no target exists.
        mtime: the modification time of all files, and of the folders made, in seconds since 1970.
        threads: how many work at once.

    Raises:
        FileExistsError: a target exists.
        ChangedBytesError: a stored file has other bytes than were asked for.
    """
    made = _make_folders({os.path.dirname(job.target) for job in entries})  # noqa: PTH120 - paths cost seconds here
    # Files of one folder stay together: two threads that write to one folder wait for its lock.
    jobs = sorted(entries, key=lambda job: os.path.dirname(job.target))  # noqa: PTH120
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    if threads < 2 or len(batches) < 2:
        _place(jobs, mtime)
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(_place, batches, repeat(mtime)):
                pass
    for folder in made:
        os.utime(folder, (mtime, mtime))


def shares_blocks(folder: Path, other: Path) -> bool:
    """Return whether a file that is placed from one folder into another takes no further space."""
    source, target = (place / f".{secrets.token_hex(8)}.clone" for place in (folder, other))
    try:
        source.write_bytes(b"x")
        if sys.platform == "darwin":
            return _clone_path(str(source), str(target))
        with source.open("rb", 0) as reading, target.open("xb", 0) as writing:
            return _clone(reading, writing)
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def _make_folders(folders: Iterable[str]) -> list[str]:
    """Make folders and what is missing above them; return those made, the deepest first."""
    missing: set[str] = set()
    for folder in folders:
        above = folder
        while above not in missing and not os.path.isdir(above):  # noqa: PTH112
            missing.add(above)
            above = os.path.dirname(above)  # noqa: PTH120
    ordered = sorted(missing, key=len)
    for folder in ordered:
        os.mkdir(folder)  # noqa: PTH102
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the umask must not show in a result
    return ordered[::-1]


def _place(jobs: Sequence[Placement], mtime: int) -> None:
    for source, target, mode, sha256, read in jobs:
        if sys.platform != "darwin" or not _clone_path(source, target):
            with open(source, "rb", 0) as reading, open(target, "xb", 0) as writing:  # noqa: PTH123
                known = sha256 is None or _unchanged(reading, read)
                if not _clone(reading, writing) and not (known and _copy_in_kernel(reading, writing)):
                    with open(writing.fileno(), "wb", closefd=False) as buffered:
                        found, _ = copy_hashed(reading, buffered)
                    if sha256 not in (None, found):
                        raise ChangedBytesError(source)
        os.chmod(target, mode)  # noqa: PTH101
        os.utime(target, (mtime, mtime))


def _unchanged(reading: FileIO, moment: int) -> bool:
    """Return whether neither bytes nor status of a file have changed since a moment; no program can set this time."""
    return os.name == "posix" and os.fstat(reading.fileno()).st_ctime_ns < moment - _TICK


def _clone(reading: FileIO, writing: FileIO) -> bool:
    """Make one open file a clone of another; False where the system or its file systems have no clones."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(writing, _FICLONE, reading.fileno())
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return False
    return True


def _copy_in_kernel(reading: FileIO, writing: FileIO) -> bool:
    """Copy without a way through this process, which takes less time; False where that is not possible."""
    if not hasattr(os, "copy_file_range"):
        return False
    copied = 0
    try:
        while count := os.copy_file_range(reading.fileno(), writing.fileno(), 2**30):
            copied += count
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return False
    # Zero also for files that the kernel makes up when they are read.
    return copied > 0


def _clone_path(source: str, target: str) -> bool:
    """Clone on APFS, where only a path that does not exist can become a clone."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not libc.clonefile(os.fsencode(source), os.fsencode(target), 0):
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        raise FileExistsError(number, os.strerror(number), target)
    return False
