"""A Dask scheduler and workers on loopback, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import bundle

ROOT = Path(__file__).parents[3]

_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"

_OTHER = "import bundle; bundle.__version__ = {version!r}; from bundle.cli.entry import main; main()"


@dataclass
class Program:
    """A program that runs, and what it has said."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.lines.append(line.decode(errors="replace").rstrip())

    def says(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until it says something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in tuple(self.lines):
                if match := re.search(pattern, line):
                    return match
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} was not said: {self.lines[-20:]}")

    def kill(self) -> None:
        """Kill the process itself, and nothing that it has started."""
        self.process.kill()
        self.process.wait(30)

    def end(self, seconds: float = 40) -> int:
        """Ask it to end, and return its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def environ_of(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return variables under which every program of a test has its store and its data in one folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BUNDLE_", "DASK_"))}
    paths = os.pathsep.join([str(Path(bundle.__file__).parents[1]), str(ROOT)])
    places = {"BUNDLE_CACHE_DIR": str(folder / "cache"), "BUNDLE_DATA_DIR": str(folder / "data")}
    return {**own, "PYTHONPATH": paths, **places, **(more or {})}


@dataclass
class Grid:
    """A scheduler with its workers."""

    folder: Path
    scheduler: Program
    address: str
    workers: dict[str, Program] = field(default_factory=dict)

    def add(
        self,
        name: str,
        *options: str,
        environ: Mapping[str, str] | None = None,
        version: str = "",
        enter: Sequence[str] = (),
    ) -> Program:
        """Start a worker with a store and data of its own, and wait until it takes work.

        Args:
            version: of the program, if it is to be another one.
            enter: begins its command line.
        """
        run = ["-P", "-c", _OTHER.format(version=version)] if version else ["-P", "-m", "bundle"]
        command = [*enter, sys.executable, *run, "worker", self.address, "--name", name, "--slots", "1", *options]
        self.workers[name] = _started(command, environ_of(self.folder / name, environ), self.folder)
        self.workers[name].says("takes work")
        return self.workers[name]


@contextmanager
def grid(
    folder: Path, count: int = 0, *options: str, host: str = "127.0.0.1", environ: Mapping[str, str] | None = None
) -> Iterator[Grid]:
    """Run a scheduler with workers while the block runs.

    Args:
        options: of the scheduler.
        environ: variables of the scheduler.
    """
    scheduler = [
        sys.executable,
        "-c",
        _SCHEDULER,
        "--host",
        host,
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
        *options,
    ]
    variables = {**environ_of(folder), "DASK_TEMPORARY_DIRECTORY": str(folder), **(environ or {})}
    started = Grid(folder, _started(scheduler, variables, folder), "")
    try:
        started.address = started.scheduler.says(r"Scheduler at:\s+((?:tcp|tls)://\S+)")[1]
        for number in range(count):
            started.add(f"worker-{number + 1}")
        yield started
    finally:
        for program in (*started.workers.values(), started.scheduler):
            if program.process.poll() is None:
                program.kill()


def _started(command: list[str], environ: Mapping[str, str], folder: Path) -> Program:
    process = subprocess.Popen(
        command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    return Program(process)
