"""Progress and log events; the base class prints nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as RichTask
from rich.text import Text

from bundle.base.text import printable

_WORTH_A_LINE = 0.1
"""Seconds from which on plain output has a line for a step that is over."""


class PrintableConsole(Console):
    """A console that shows names from elsewhere as they are, and never obeys them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text for the terminal."""
        return super().render_str(printable(text), **options)


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
        sys.stderr.write(printable(f"warning: {message}\n"))


class PlainReporter(Reporter):
    """Plain lines for logs and pipes."""

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._console = PrintableConsole(
            file=stream or sys.stderr, highlight=False, soft_wrap=True, no_color=True, emoji=False, markup=False
        )
        self._verbose = verbose

    def info(self, message: str) -> None:
        self._console.print(message)

    def detail(self, message: str) -> None:
        if self._verbose:
            self._console.print(message)

    def warning(self, message: str) -> None:
        self._console.print(f"warning: {message}")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        if self._verbose:
            self._console.print(f"{name} ...")
        yield
        seconds = time.monotonic() - started
        if self._verbose or seconds >= _WORTH_A_LINE:
            self._console.print(f"{name}: {seconds:.1f} s")

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        started = time.monotonic()
        yield Task()
        if self._verbose or time.monotonic() - started > 2:
            self._console.print(f"  {label}: {time.monotonic() - started:.1f} s")


class _LiveTask(Task):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(self._task, amount)

    def total(self, total: int) -> None:
        self._progress.update(self._task, total=total)


class _Amount(ProgressColumn):
    """Bytes for downloads, a count for all else, nothing where the end is not known."""

    def render(self, task: RichTask) -> Text:
        if task.total is None:
            return Text("")
        if task.fields.get("unit") == "bytes":
            return Text(f"{decimal(int(task.completed))}/{decimal(int(task.total))}")
        return Text(f"{int(task.completed)}/{int(task.total)} {task.fields.get('unit', '')}")


class TerminalReporter(Reporter):
    """Progress bars on a terminal (rich)."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._console = PrintableConsole(stderr=True, highlight=False, emoji=False, markup=False)
        self._verbose = verbose
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            _Amount(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._lock = threading.Lock()
        self._running = 0

    def info(self, message: str) -> None:
        self._console.print(message)

    def detail(self, message: str) -> None:
        if self._verbose:
            self._console.print(message, style="dim")

    def warning(self, message: str) -> None:
        self._console.print(f"warning: {message}", style="bold yellow")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        with self.task(name):
            yield
        self._console.print(f"{name:<12} {time.monotonic() - started:6.1f} s", style="green")

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        with self._lock:
            if not self._running:
                self._progress.start()
            self._running += 1
        task = self._progress.add_task(printable(label), total=total, unit=unit)
        try:
            yield _LiveTask(self._progress, task)
        finally:
            self._progress.remove_task(task)
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._progress.stop()
