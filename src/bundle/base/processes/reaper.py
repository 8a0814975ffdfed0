"""A program that starts another one and ends all that it leaves behind; run as a script, for programs not trusted.

On Linux it adopts every descendant whose parent has ended (a child subreaper), in any session and process group.
Elsewhere it remembers each descendant that it has seen.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import psutil

_SUBREAPER, _DEATH_SIGNAL = 36, 1
"""Of prctl(2)."""

_POLL = 0.1
"""Seconds between two looks at the descendants where the system does not hand them over."""

_PATIENCE = 20.0
"""Seconds to end what is left; a process that may not be ended, such as another user's, outlives them."""

_adopts = sys.platform == "linux"


def main(command: list[str]) -> NoReturn:
    """Run a command, end its descendants, and exit as it did."""
    if _adopts:
        libc = ctypes.CDLL(None)
        libc.prctl(_SUBREAPER, 1, 0, 0, 0)
        libc.prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    seen: set[psutil.Process] = set()

    def ended(number: int, _: FrameType | None) -> None:
        _sweep(seen)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, ended)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(None if _adopts else _POLL)
            break
        _look(seen)
    _sweep(seen)
    if code < 0:
        _end_by(-code)
    # Windows has exit codes that only fit as negative numbers.
    os._exit(ctypes.c_int(code).value)


def _end_by(number: int) -> None:
    """Let a signal end this program, without a core dump of it."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _look(seen: set[psutil.Process]) -> None:
    with suppress(psutil.Error):
        seen.update(psutil.Process().children(recursive=True))
    for known in tuple(seen):
        with suppress(psutil.Error):
            seen.update(known.children(recursive=True))


def _sweep(seen: set[psutil.Process]) -> None:
    """Kill descendants until none is left; a process that forks at its end leaves one more to find."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        _look(seen)
        left = [one for one in seen if _lives(one)]
        seen.intersection_update(left)
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        if _adopts:
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        if not left:
            return
        time.sleep(0.005)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
