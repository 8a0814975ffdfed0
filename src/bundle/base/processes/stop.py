"""End programs together with all their descendants."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from bundle.base.errors import InterruptedRunError

if TYPE_CHECKING:
    import psutil

_GRACE = 3.0
"""Seconds between the request to end and the kill."""

_KILLS = 50
"""Attempts to kill processes that appear while others are killed."""

_POLL = 0.02
"""Seconds between two looks at processes that are ending."""

_running: set[subprocess.Popen[bytes]] = set()
"""Programs that `end_all` ends. Module state, because the whole process has these children."""

_closing = threading.Event()


def refuse_when_closing() -> None:
    """Refuse to start a program in any thread but the main one when the run is being interrupted.

    Raises:
        InterruptedRunError: it is.
    """
    if _closing.is_set() and threading.current_thread() is not threading.main_thread():
        raise InterruptedRunError("The run is being interrupted; no further program is started.")


@contextmanager
def ended_at_exit(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let `end_all` and the exit of the interpreter end a program as long as the block runs."""
    _end_all_at_exit()
    _running.add(process)
    try:
        yield
    finally:
        _running.discard(process)


def end_all(*, closing: bool = False) -> None:
    """End every program that some thread waits for, as a timeout would.

    An interrupt reaches only the main thread; programs that other threads wait for do not notice it, because they are
    in groups of their own. Called when the interpreter exits, too.

    Args:
        closing: let only the main thread start further programs; others would take the end for a failure and try again.
    """
    if closing:
        _closing.set()
    threads = [threading.Thread(target=end_tree, args=(process,), daemon=True) for process in tuple(_running)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """Ask a program and its descendants to end, and kill what is left three seconds later.

    Ends its process group as well, which holds descendants whose parents have ended, and descendants that left the
    group. Windows knows no request to end: there all are killed at once.

    Args:
        process: a program started in a session of its own; it may have ended already.
    """
    members = _tree(process)
    try:
        _signal(members, kill=False)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline and _alive(members):
            process.poll()
            time.sleep(_POLL)
    finally:
        # Also when a second interrupt cut the grace short.
        for _ in range(_KILLS):
            left = _alive(members | _tree(process))
            if not left:
                break
            _signal(left, kill=True)
            time.sleep(_POLL)
        process.wait()


@cache
def _end_all_at_exit() -> None:
    atexit.register(end_all)


def _tree(process: subprocess.Popen[bytes]) -> set[psutil.Process]:
    """Return a program's descendants and its process group, itself included."""
    import psutil

    found = set()
    with suppress(psutil.Error):
        root = psutil.Process(process.pid)
        found = {root, *root.children(recursive=True)}
    if sys.platform != "win32":
        for pid in psutil.pids():
            with suppress(psutil.Error, OSError):
                if os.getpgid(pid) == process.pid:
                    found.add(psutil.Process(pid))
    return found


def _alive(members: Iterable[psutil.Process]) -> set[psutil.Process]:
    import psutil

    alive = set()
    for member in members:
        with suppress(psutil.Error):
            # In many containers no process waits for orphans: they stay zombies.
            if member.is_running() and member.status() != psutil.STATUS_ZOMBIE:
                alive.add(member)
    return alive


def _signal(members: Iterable[psutil.Process], *, kill: bool) -> None:
    import psutil

    for member in members:
        with suppress(psutil.Error):
            member.kill() if kill else member.terminate()
