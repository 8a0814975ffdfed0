"""Progress on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as RichTask
from rich.text import Text

from bundle.base.console import PrintableConsole
from bundle.base.report import Reporter, Task
from bundle.base.text import printable


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
