"""The log of a job: one file that grows, and any number of readers that follow it from any place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bundle.base.files import open_regular

_PART = 2**16
"""Bytes that a reader gets at once."""

MOST_LOG = 2**30
"""Bytes of a log; the rest of the output is left out."""


class JobLog:
    """A log that one writer appends to; what was written stays readable after its end, also for another process.

    Args:
        path: its file; it is made, and continued if it exists.
        most: bytes from which on output is left out.
    """

    def __init__(self, path: Path, *, most: int = MOST_LOG) -> None:
        self.path = path
        self._most = most
        self._file = path.open("ab", buffering=0)
        self._size = self._file.seek(0, 2)
        self._grown = threading.Condition()
        self._closed = False

    def __call__(self, chunk: bytes) -> None:
        """Append a part of the output.

        Raises:
            OSError: it cannot be written, such as on a full disk.
        """
        left = self._most - self._size
        if left <= 0:
            return
        if len(chunk) > left:
            chunk = chunk[:left] + f"\n(the output exceeds {self._most:,} bytes; the rest is left out)\n".encode()
        ahead = memoryview(chunk)
        while ahead:
            ahead = ahead[self._file.write(ahead) :]
        with self._grown:
            self._size += len(chunk)
            self._grown.notify_all()

    def close(self) -> None:
        """End the log; its readers come to an end."""
        with self._grown:
            self._closed = True
            self._grown.notify_all()
        self._file.close()

    def wait(self, offset: int, seconds: float) -> bool:
        """Wait until there is something behind a place, or the log ends; False if the time is over first."""
        with self._grown:
            return self._grown.wait_for(lambda: self._closed or self._size > offset, seconds)

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    def follow(self, offset: int = 0, *, seconds: float | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield parts of the log as they come, each with the place behind it, until the log ends.

        Args:
            offset: the place to begin at, such as the last one that another reader got.
            seconds: after which it ends anyway; None for no limit.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            closed = self._closed
            for place, part in read_log(self.path, offset):
                offset = place
                yield place, part
            if closed or (deadline is not None and time.monotonic() >= deadline):
                return
            self.wait(offset, 1.0 if deadline is None else max(0.0, min(1.0, deadline - time.monotonic())))


def read_log(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a log that are there, each with the place behind it; nothing if there is no log."""
    try:
        file = open_regular(path)
    except OSError:
        return
    with file:
        file.seek(max(0, offset))
        while part := file.read(_PART):
            yield file.tell(), part
