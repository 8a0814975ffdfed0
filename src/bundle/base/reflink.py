"""Trees made from stored files: clones where the file system has them, else copies, never hard links.

A hard link would be quicker, but editing the result would change what is stored.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FICLONE = 0x40049409
"""Makes one file share another's blocks (ioctl_ficlonerange(2): btrfs, XFS, bcachefs, overlay above them)."""

_CHUNK = 2**24

_BATCH = 256
"""Files that one thread takes at a time: few enough to share the work evenly."""

_NO_CLONE = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM})

_NO_RANGE = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EBADF})

_Job = tuple[str, str, int]

_Method = Callable[[int, int, int], bool]
"""Fills the second open file with so many bytes of the first; False if the file systems at hand cannot."""


def place_file(source: Path, target: Path, *, mode: int | None = None, mtime: int | None = None) -> None:
    """Make a file with the content of a stored one, sharing blocks where the file system can.

    Args:
        source: the stored file.
        target: where the new one appears; its folder exists, it does not.
        mode: permission bits of the new file; the source's if None.
        mtime: its modification time, seconds since 1970; the source's if None.

    Raises:
        FileExistsError: `target` exists.
    """
    status = source.stat()
    placer = _Placer(int(status.st_mtime) if mtime is None else mtime)
    placer.place((os.fspath(source), os.fspath(target), stat.S_IMODE(status.st_mode) if mode is None else mode))


def place_tree(entries: Sequence[tuple[Path, Path, int]], *, mtime: int, threads: int = 2) -> None:
    """Make many files with the content of stored ones, as quickly as the system can.

    Args:
        entries: (source, target, permission bits) of each; missing folders of targets are made with mode 0755, and
            no target exists.
        mtime: the modification time of all files, and of the folders made, in seconds since 1970.
        threads: how many work at once.

    Raises:
        FileExistsError: a target exists.
    """
    jobs = [(os.fspath(source), os.fspath(target), mode) for source, target, mode in entries]
    made = _make_folders({os.path.dirname(target) for _, target, _ in jobs})  # noqa: PTH120 - paths cost seconds here
    placer = _Placer(mtime)
    # Files of one folder stay together: two threads that write to one folder wait for its lock.
    jobs.sort(key=lambda job: os.path.dirname(job[1]))  # noqa: PTH120
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    if threads < 2 or len(batches) < 2:
        placer.place_all(jobs)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(placer.place_all, batches):
                pass
    for folder in made:
        os.utime(folder, (mtime, mtime))


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


class _Placer:
    """Places files with one modification time, and remembers what the file systems at hand cannot do."""

    def __init__(self, mtime: int) -> None:
        self._times = (mtime, mtime)
        self._methods: dict[int, list[_Method]] = {}

    def place_all(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            self.place(job)

    def place(self, job: _Job) -> None:
        source, target, mode = job
        if sys.platform == "darwin" and _clone_path(source, target):
            os.chmod(target, mode)  # noqa: PTH101
            os.utime(target, self._times)
            return
        if not hasattr(os, "fchmod"):
            self._copy_portably(job)
            return
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                status = os.fstat(reading)
                if status.st_size:
                    self._fill(reading, writing, status.st_size, status.st_dev)
                os.fchmod(writing, mode)
                os.utime(writing, self._times)
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def _fill(self, reading: int, writing: int, size: int, device: int) -> None:
        for method in self._methods.setdefault(device, _methods()):
            if method(reading, writing, size):
                return
            # A new list, because another thread may be going through the old one.
            self._methods[device] = [other for other in self._methods[device] if other is not method]
        while chunk := os.read(reading, _CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[os.write(writing, view) :]

    def _copy_portably(self, job: _Job) -> None:
        source, target, mode = job
        with open(source, "rb") as reading, open(target, "xb") as writing:  # noqa: PTH123
            shutil.copyfileobj(reading, writing, 2**20)
        os.chmod(target, mode)  # noqa: PTH101
        os.utime(target, self._times)


def _methods() -> list[_Method]:
    """Return the ways in which the system itself copies between open files, the best first."""
    if sys.platform != "linux":
        return []
    return [_clone, _copy_range, _send]


def _clone(reading: int, writing: int, size: int) -> bool:  # noqa: ARG001 - all of it, whatever the size
    import fcntl

    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as error:
        if error.errno in _NO_CLONE:
            return False
        raise
    return True


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


def _copy_range(reading: int, writing: int, size: int) -> bool:
    return _piecewise(lambda left: os.copy_file_range(reading, writing, left), size)


def _send(reading: int, writing: int, size: int) -> bool:
    return _piecewise(lambda left: os.sendfile(writing, reading, None, left), size)


def _piecewise(copy: Callable[[int], int], size: int) -> bool:
    """Copy until all is there; False if nothing can be copied this way."""
    left = size
    while left:
        try:
            count = copy(left)
        except OSError as error:
            if error.errno in _NO_RANGE and left == size:
                return False
            raise
        if not count:
            # Some file systems of the kernel's own answer so for files that do have content.
            return False
        left -= count
    return True
