"""Whether the process that made something still lives: on this machine, and not merely one that got its number."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

_PROC = Path("/proc")

_STATE, _GROUP, _STARTED = 0, 2, 19

_ENDED = ("Z", "X")
"""States of processes that have ended, though nobody has waited for them; in many containers nobody ever does."""


def host_mark() -> str:
    """Return eight hex digits that stand for this machine, or for this container on it."""
    try:
        # Two containers of one name may share a volume; each counts its processes for itself.
        namespace = str((_PROC / "self" / "ns" / "pid").readlink())
    except OSError:
        namespace = ""
    return _short(f"{platform.node()} {namespace}")


def process_mark(pid: int) -> str:
    """Return eight hex digits that stand for one life of a process number.

    Args:
        pid: the process number; it need not be alive.

    Returns:
        A digest of boot and start time where the system tells them (Linux), else of nothing: there the number alone
        has to do.
    """
    try:
        boot = (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text()
        started = _facts(str(pid))[_STARTED]
    except (OSError, IndexError):
        return _short("")
    return _short(f"{boot} {started}")


def lives(pid: int) -> bool:
    """Say whether a process of this machine is alive.

    Args:
        pid: the process number.
    """
    if sys.platform == "win32":
        # os.kill would end the process here, whatever the signal.
        import ctypes

        kernel = ctypes.windll.kernel32
        synchronise, timed_out = 0x00100000, 0x102
        handle = kernel.OpenProcess(synchronise, False, pid)
        if not handle:
            access_denied = 5
            return bool(kernel.GetLastError() == access_denied)
        try:
            return bool(kernel.WaitForSingleObject(handle, 0) == timed_out)
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    try:
        return _facts(str(pid))[_STATE] not in _ENDED
    except OSError:
        return True


def group_lives(group: int) -> bool:
    """Say whether a process group has a member that does anything; POSIX only.

    Args:
        group: the number of its first process.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if not (_PROC / "self" / "stat").exists():
        return True
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            facts = _facts(folder.name)
        except OSError:
            continue
        if facts[_GROUP] == str(group) and facts[_STATE] not in _ENDED:
            return True
    return False


def _facts(pid: str) -> list[str]:
    """Return what Linux tells of a process, from its state on (proc_pid_stat(5))."""
    # The name before it, in parentheses, may itself hold blanks and parentheses.
    return (_PROC / pid / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
