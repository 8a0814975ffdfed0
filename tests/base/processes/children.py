"""Programs that tests start, and what became of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bundle.base.processes.run import Completed


def python(code: str, *arguments: str) -> list[str]:
    """Return the command line of a Python program."""
    return [sys.executable, "-I", "-c", code, *arguments]


def within(seconds: float, call: Callable[[], Completed]) -> Completed:
    """Return the result of a call that must not wait for the end of programs that sleep for hours."""
    results: list[Completed] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, f"still waiting after {seconds} s"
    return results[0]


def wait_for(path: Path) -> str:
    """Return what a file holds as soon as it holds something."""
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def assert_dies(pid: int) -> None:
    """Wait for the end of a process."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        deadline = time.monotonic() + 10
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"{pid} lives"
            time.sleep(0.01)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
