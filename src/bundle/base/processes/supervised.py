"""Run a program under a supervisor: limits, stop, and an end that leaves nothing behind."""

from __future__ import annotations

import json
import math
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from bundle.base.errors import WorkError
from bundle.base.processes.stop import refuse_when_closing
from bundle.base.processes.stream import Sink

MARK = "BUNDLE_JOB_MARK"
"""The variable that every process of a supervised program has; its value is drawn anew for each."""

_SUPERVISOR = (sys.executable, "-I", "-B", str(Path(__file__).with_name("supervisor.py")))

_DRAIN, _FLUSH = 1.0, 60.0
"""Seconds that the rest of the output may take while something may hold the stream open, and to reach a slow disk."""

_LATE = 30.0
"""Seconds behind the time at which the supervisor should have ended the program; one that is held is killed then."""

_SWEEP = 10.0
"""Seconds to kill what has lost its supervisor."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use; None for no limit."""

    timeout: float | None = None
    """Seconds."""
    memory: int | None = None
    """Bytes of resident memory that all its processes use together."""
    processes: int | None = 1000
    """Processes at a time."""
    grace: float = 5.0
    """Seconds between the request to end and the kill."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a supervised program."""

    code: int | None
    """The exit code; the negative signal number if a signal ended it, None if it is not known."""
    reason: str | None
    """Why it was ended: `stopped`, `timeout`, `memory` or `processes`; `lost` with its supervisor; None: by itself."""
    peak: int
    """The most bytes of memory that its processes were seen to use together."""
    left: tuple[int, ...]
    """Processes that could not be ended, such as another user's."""
    seconds: float
    failure: Exception | None
    """The first error of the sink; the output behind it is lost."""


class Supervised:
    """A running program, all its descendants included; they end with this process, however it ends.

    Args:
        command: the program and its arguments; no shell is involved.
        env: the complete environment.
        output: takes standard output and error, in the order in which they come; called in one thread.

    Raises:
        InterruptedRunError: the run is being interrupted.
        OSError: there are too few processes, files or too little memory.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, limits: Limits, output: Sink
    ) -> None:
        refuse_when_closing()
        self.mark = secrets.token_hex(16)
        self._started = time.monotonic()
        self._command = tuple(command)
        self._output = output
        self._failure: Exception | None = None
        self._ended: Ended | None = None
        self._grace = limits.grace
        self._due = math.inf if limits.timeout is None else self._started + limits.timeout + limits.grace
        self._waiting = threading.Lock()
        self._writing = threading.Lock()
        spec = {"command": list(command), "env": {**env, MARK: self.mark}, "cwd": str(cwd), **asdict(limits)}
        self._process = subprocess.Popen(
            _SUPERVISOR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._hand_on, args=(self._process.stdout,), daemon=True)
        self._pump.start()
        self._say(json.dumps({**spec, "mark": f"{MARK}={self.mark}"}))

    def stop(self, *, kill: bool = False) -> None:
        """Ask the program to end; it is killed after its grace. Safe in any thread, at any time, and more than once.

        Args:
            kill: whether it is killed at once.
        """
        self._due = min(self._due, time.monotonic() + (0.0 if kill else self._grace))
        self._say("kill" if kill else "stop")

    def wait(self, timeout: float | None = None) -> Ended | None:
        """Return its end when it and all its descendants have ended, None if they live on after a time.

        Raises:
            WorkError: it could not be started.
        """
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            if time.monotonic() > self._due + _LATE:
                self._process.kill()
            return None
        with self._waiting:
            if self._ended is None:
                self._ended = self._conclude()
        return self._ended

    def _conclude(self) -> Ended:
        report = self._report()
        if report is None or self._alive_after(_DRAIN):
            sweep(self.mark)
        self._alive_after(_FLUSH)
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if report is None:
            return Ended(code=None, reason="lost", peak=0, left=(), seconds=self._seconds, failure=self._failure)
        if error := report.get("error"):
            raise WorkError(f"The program {self._command[0]} cannot be started: {error}.")
        return Ended(
            code=report["code"],
            reason=report["reason"],
            peak=report["peak"],
            left=tuple(report["left"]),
            seconds=report["seconds"],
            failure=self._failure,
        )

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _report(self) -> dict[str, Any] | None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        with self._process.stderr as stream:
            lines = stream.read().splitlines()
        with suppress(ValueError, IndexError):
            report: dict[str, Any] = json.loads(lines[-1])
            return report
        return None

    def _alive_after(self, seconds: float) -> bool:
        self._pump.join(seconds)
        return self._pump.is_alive()

    def _say(self, line: str) -> None:
        with self._writing, suppress(OSError, ValueError):  # It has ended.
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _hand_on(self, source: IO[bytes]) -> None:
        with source:
            while chunk := source.read1(2**16):  # type: ignore[attr-defined]  # buffered, though typed as any IO
                if self._failure is not None:
                    continue  # Read all the same: a full pipe would stop the program.
                try:
                    self._output(chunk)
                except Exception as error:  # noqa: BLE001 - told with the end, whatever it is
                    self._failure = error


def sweep(mark: str) -> int:
    """Kill the processes of a supervised program that has lost its supervisor, and return their number.

    Args:
        mark: of the `Supervised`.
    """
    import psutil

    killed: set[psutil.Process] = set()
    deadline = time.monotonic() + _SWEEP
    while time.monotonic() < deadline:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        if not found:
            break
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        killed.update(found)
        time.sleep(0.02)
    return len(killed)
