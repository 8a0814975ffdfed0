"""Run a program to its end and collect its output."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.processes.stream import Program, Sink, stream

MOST_OUTPUT = 2**26
"""Bytes of output that are kept of a program that is not trusted."""

_TAIL = 20
"""Lines of output that an error shows."""

_REAPER = (sys.executable, "-I", "-B", str(Path(__file__).with_name("reaper.py")))


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A program that has ended."""

    arguments: tuple[str, ...]
    """The command line as it was started."""
    code: int
    """The exit code; the negative signal number if a signal ended it."""
    output: str
    """Its standard output; empty if it went to a log."""
    errors: str
    """Its standard error; empty if it went to a log."""
    seconds: float
    """How long it ran."""
    timed_out: bool
    """Whether it was ended because it exceeded the time limit."""


def run(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    log: Path | None = None,
    stdin: bytes | None = None,
    trusted: bool = True,
) -> Completed:
    """Run a program to its end as `stream` does, and collect its output.

    Args:
        arguments: the program and its arguments; no shell is involved.
        env: the complete environment; this process's own if None.
        timeout: in seconds; None for no limit.
        log: a file that standard output and error are appended to instead of being returned.
        stdin: its standard input; empty if None.
        trusted: if not, everything that it started ends with it, in any session, and its output is cut at 64 MiB.

    Returns:
        The result with any exit code; see `check`.

    Raises:
        WorkError: the program does not exist or cannot be started.
    """
    command = tuple(os.fspath(argument) for argument in arguments)
    started = time.monotonic()
    started_as = command if trusted else (*_REAPER, *command)
    running = partial(stream, Program(started_as, env, cwd), timeout=timeout, stdin=stdin)
    bounded = (lambda sink: sink) if trusted else _bounded
    parts = bytearray(), bytearray()
    if log is None:
        code, timed_out = running(output=bounded(parts[0].extend), errors=bounded(parts[1].extend))
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:

            def append(part: bytes) -> None:
                file.write(part)
                file.flush()

            code, timed_out = running(output=bounded(append), errors=None)
    output, errors = (bytes(part).decode(errors="replace").replace("\r\n", "\n") for part in parts)
    return Completed(
        arguments=command,
        code=code,
        output=output,
        errors=errors,
        seconds=time.monotonic() - started,
        timed_out=timed_out,
    )


def _bounded(sink: Sink) -> Sink:
    """Return a sink that hands on the first 64 MiB, and says that it leaves out the rest."""
    left = MOST_OUTPUT

    def hand_on(part: bytes) -> None:
        nonlocal left
        if left > 0:
            sink(part[:left])
            if len(part) >= left:
                sink(f"\n(the output exceeds {MOST_OUTPUT:,} bytes; the rest is left out)\n".encode())
        left -= len(part)

    return hand_on


def check(completed: Completed, what: str, *, log: Path | None = None) -> Completed:
    """Return a completed program if it succeeded.

    Args:
        what: its task as the subject of "failed", such as "Building freesasa".
        log: the file that its output went to.

    Raises:
        WorkError: its exit code is not 0, or it exceeded the time limit.
    """
    if completed.code == 0 and not completed.timed_out:
        return completed
    text = _last_part(log) if log is not None else f"{completed.output}\n{completed.errors}"
    details = [line for line in text.splitlines() if line.strip()][-_TAIL:]
    if log is not None:
        details.append(f"(the whole log: {log})")
    program = Path(completed.arguments[0]).name
    if completed.timed_out:
        raise WorkError(
            f"{what} failed: {program} timed out after {completed.seconds:.0f} s (build.timeout).",
            cause="It hangs, or it needs more time than the limit.",
            remedy="Read its last lines; raise build.timeout if it only needs more time.",
            details=details,
        )
    how = f"was ended by signal {-completed.code}" if completed.code < 0 else f"exited with code {completed.code}"
    cause = None
    if completed.code == -9:
        cause = "The system ends the largest program when memory runs out."
    raise WorkError(
        f"{what} failed: {program} {how}.",
        cause=cause,
        remedy=f"Read its last lines for the reason; to repeat this step alone: {shlex.join(completed.arguments)}",
        details=details,
    )


def _last_part(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
        return file.read().decode(errors="replace")
