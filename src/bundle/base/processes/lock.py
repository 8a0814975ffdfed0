"""A lock on a file that lasts as long as any process has it open: its taker, or a program that inherited it.

Imports little, because the start of a program waits for it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_POLLS = (0.01, 0.02, 0.05, 0.1)
"""Seconds between attempts; the last goes on."""

_AGAIN = 0.5
"""Seconds from which on a wait is told."""


class Lock:
    """A lock that was taken.

    Linux and macOS: flock(2), which belongs to the open file, so that programs that inherit it keep it. Windows: the
    open file itself, which others cannot open in a way that excludes each other.

    Args:
        descriptor: the open file.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def release(self) -> None:
        """Free the lock, also where a program has inherited it."""
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)

    def remove(self) -> None:
        """Remove the file and free the lock; who waits for it takes a new one."""
        if sys.platform == "win32":
            os.close(self.descriptor)  # An open file cannot be removed there.
            try:  # noqa: SIM105 - contextlib costs time
                os.unlink(self.path)  # noqa: PTH108 - pathlib costs time
            except OSError:
                pass
            return
        os.unlink(self.path)  # noqa: PTH108
        self.release()


def attempt(path: str, *, shared: bool = False) -> Lock | None:
    """Take a lock if it is free; None if it is not.

    Args:
        path: the lock file; it is made for a lock that is not shared.
        shared: whether others may have the same lock, if it is shared, too.

    Raises:
        OSError: the file cannot be opened, or the file system has no locks.
    """
    if sys.platform == "win32":
        return _opened(path, shared=shared)
    import fcntl

    while True:
        flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is(path, descriptor):
            return Lock(path, descriptor)
        os.close(descriptor)  # Its last holder removed it.


def _is(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - pathlib costs time
    except FileNotFoundError:
        return False


def take(path: str, *, timeout: float | None, waiting: Callable[[str], object]) -> Lock:
    """Wait for a lock and write into its file which process has it.

    Args:
        timeout: in seconds; None for no limit.
        waiting: gets who has the lock, once, if that takes a moment.

    Raises:
        TimeoutError: it was not free in time; its text is who has the lock.
        OSError: the file cannot be opened, or the file system has no locks.
    """
    import time

    started = time.monotonic()
    polls, told = iter(_POLLS), False
    while (lock := attempt(path)) is None:
        passed = time.monotonic() - started
        if timeout is not None and passed >= timeout:
            raise TimeoutError(holder(path))
        if not told and passed >= _AGAIN:
            waiting(holder(path))
            told = True
        time.sleep(next(polls, _POLLS[-1]))
    os.ftruncate(lock.descriptor, 0)
    os.lseek(lock.descriptor, 0, os.SEEK_SET)
    command = " ".join(sys.argv)[:500]
    os.write(lock.descriptor, os.fsencode(f"{os.getpid()}\n{command}"))
    return lock


def holder(path: str) -> str:
    """Return who has a lock, as its file says."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib costs time
            pid, _, command = file.read(1000).partition("\n")
    except OSError:
        pid = command = ""
    if not pid.isdecimal():
        return "another process"
    if _lives(int(pid)):
        return f"process {pid} ({command})"
    return f"a program that process {pid} ({command}) started and that still runs, although that process has ended"


def _lives(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def _opened(path: str, *, shared: bool) -> Lock | None:
    """Open a file in a way that excludes others on Windows: to write, or to read where others only read."""
    if sys.platform != "win32":
        raise NotImplementedError
    import ctypes
    import msvcrt
    from ctypes import wintypes

    read, write, share_read, open_always, open_existing = 0x80000000, 0x40000000, 1, 4, 3
    violation = 32
    create = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    create.restype = wintypes.HANDLE
    create.argtypes = [wintypes.LPCWSTR, *[wintypes.DWORD] * 2, wintypes.LPVOID, *[wintypes.DWORD] * 2, wintypes.HANDLE]
    access = read if shared else read | write
    handle = create(path, access, share_read, None, open_existing if shared else open_always, 0x80, None)
    if handle in (None, wintypes.HANDLE(-1).value):
        error = ctypes.get_last_error()
        if error == violation:
            return None
        raise ctypes.WinError(error)
    return Lock(path, msvcrt.open_osfhandle(handle, os.O_RDONLY if shared else os.O_RDWR))
