"""Progress and log events; the base class prints nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from bundle.base.text import printable

_WORTH_A_LINE = 0.1
"""Seconds from which on plain output has a line for a step that is over."""


class Task:
    """One piece of long work with a measurable end; safe to advance from any thread."""

    def advance(self, amount: int = 1) -> None:
        """Record that `amount` more units are done."""

    def total(self, total: int) -> None:
        """Correct the number of units that the whole task has."""


class Reporter:
    """The silent base; every method may be called from any thread."""

    def info(self, message: str) -> None:
        """Report something that every user should see."""

    def detail(self, message: str) -> None:
        """Report something that `--verbose` shows."""

    def warning(self, message: str) -> None:
        """Report something that must not be missed."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Enclose one of the overall steps of the work."""
        yield

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        """Enclose one piece of long work.

        Args:
            label: its name, such as a file's name.
            total: number of units, if known.
            unit: "bytes" or a plural, such as "files".
        """
        yield Task()


class Logbook(Reporter):
    """Passes everything on to another reporter, and writes it to a stream as well, details included.

    Args:
        behind: the other reporter.
        stream: gets plain lines.
    """

    def __init__(self, behind: Reporter, stream: TextIO) -> None:
        self._behind = behind
        self._plain = PlainReporter(stream, verbose=True)

    def info(self, message: str) -> None:
        self._plain.info(message)
        self._behind.info(message)

    def detail(self, message: str) -> None:
        self._plain.detail(message)
        self._behind.detail(message)

    def warning(self, message: str) -> None:
        self._plain.warning(message)
        self._behind.warning(message)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with self._plain.step(name), self._behind.step(name):
            yield

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        with self._plain.task(label, total=total, unit=unit), self._behind.task(label, total=total, unit=unit) as task:
            yield task


class WarningsReporter(Reporter):
    """Warnings and nothing else, for `--quiet`."""

    def warning(self, message: str) -> None:
        _write_line(sys.stderr, f"warning: {message}")


class PlainReporter(Reporter):
    """Plain lines for logs and pipes."""

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose

    def info(self, message: str) -> None:
        _write_line(self._stream or sys.stderr, message)

    def detail(self, message: str) -> None:
        if self._verbose:
            self.info(message)

    def warning(self, message: str) -> None:
        self.info(f"warning: {message}")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        if self._verbose:
            self.info(f"{name} ...")
        yield
        seconds = time.monotonic() - started
        if self._verbose or seconds >= _WORTH_A_LINE:
            self.info(f"{name}: {seconds:.1f} s")

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        started = time.monotonic()
        yield Task()
        if self._verbose or time.monotonic() - started > 2:
            self.info(f"  {label}: {time.monotonic() - started:.1f} s")


def _write_line(stream: TextIO, message: str) -> None:
    with suppress(BrokenPipeError):  # The work goes on when its reader is gone.
        stream.write(printable(f"{message}\n"))
        stream.flush()
