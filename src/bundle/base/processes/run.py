"""Run a program to its end; the one place that starts programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from bundle.base.errors import WorkError
from bundle.base.processes.stop import end_tree, ended_at_exit

_DRAIN = 1.0
"""Seconds that a program's descendants may hold its output open after its end."""

_FLUSH = 30.0
"""Seconds that the rest of the output may take to reach a slow disk once all its writers have ended."""

_TAIL = 20
"""Lines of output that an error shows."""


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
) -> Completed:
    """Run a program to its end, in a process group of its own.

    When it takes too long, or the wait is interrupted, it is ended with all its descendants. Descendants that still
    hold the output open when the program has ended are ended as well.

    Args:
        arguments: the program and its arguments; no shell is involved.
        env: the complete environment; this process's own if None.
        timeout: in seconds; None for no limit.
        log: a file that standard output and error are appended to instead of being returned.
        stdin: its standard input; empty if None.

    Returns:
        The result with any exit code; see `check`.

    Raises:
        WorkError: the program does not exist or cannot be started.
    """
    command = tuple(os.fspath(argument) for argument in arguments)
    started = time.monotonic()
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            code, outputs, timed_out = _run(command, env, cwd, timeout, file, stdin)
    else:
        code, outputs, timed_out = _run(command, env, cwd, timeout, None, stdin)
    output, errors = (bytes(part).decode(errors="replace").replace("\r\n", "\n") for part in outputs)
    return Completed(
        arguments=command,
        code=code,
        output=output,
        errors=errors,
        seconds=time.monotonic() - started,
        timed_out=timed_out,
    )


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


def _run(
    command: tuple[str, ...],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    timeout: float | None,
    log: BinaryIO | None,
    stdin: bytes | None,
) -> tuple[int, tuple[bytearray, bytearray], bool]:
    output, errors = bytearray(), bytearray()
    threads: list[threading.Thread] = []
    failures: list[Exception] = []
    process = _start(command, env, cwd, merge=log is not None, reads=stdin is not None)
    with ended_at_exit(process):
        try:
            threads.append(_background(_pump, process.stdout, output if log is None else log, failures))
            if log is None:
                threads.append(_background(_pump, process.stderr, errors, failures))
            if stdin is not None:
                threads.append(_background(_feed, process.stdin, stdin))
            timed_out = not _wait(process, timeout)
            if timed_out:
                end_tree(process)
            if not _joined(threads, _DRAIN):
                # A descendant that outlives the program holds its output open.
                end_tree(process)
                _joined(threads, _FLUSH)
        except BaseException:
            end_tree(process)
            _joined(threads, _DRAIN)
            raise
    if failures:
        raise failures[0]
    return process.returncode, (output, errors), timed_out


def _start(
    command: tuple[str, ...], env: Mapping[str, str] | None, cwd: Path | None, *, merge: bool, reads: bool
) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        return subprocess.Popen(
            command,
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            # Always pipes: programs under Wine fail with files.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            start_new_session=True,
            creationflags=flags,
        )
    except OSError as error:
        if cwd is not None and not cwd.is_dir():
            raise WorkError(f"{command[0]} cannot start in {cwd}: the folder does not exist.") from error
        missing = isinstance(error, FileNotFoundError)
        raise WorkError(
            f"The program {command[0]} " + ("does not exist." if missing else f"cannot be started: {error.strerror}."),
            cause="It is not installed or not on PATH, or the interpreter in the script's first line is missing."
            if missing
            else None,
            remedy="Install it or put it on PATH, then run the same command again." if missing else None,
        ) from error


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Wait for the program alone; False if the time is over."""
    ended = threading.Event()

    def watch() -> None:
        process.wait()
        ended.set()

    _background(watch)
    deadline = None if timeout is None else time.monotonic() + timeout
    while not ended.is_set():
        left = 1.0 if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return False
        # In slices, because a lock without end cannot be interrupted on Windows.
        ended.wait(min(left, 1.0))
    return True


def _background(function: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _joined(threads: Sequence[threading.Thread], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _pump(source: IO[bytes], sink: bytearray | BinaryIO, failures: list[Exception]) -> None:
    try:
        with source:
            while chunk := source.read1(2**16):  # type: ignore[attr-defined]  # buffered, though typed as any IO
                if isinstance(sink, bytearray):
                    sink += chunk
                else:
                    sink.write(chunk)
                    sink.flush()
    except (OSError, ValueError) as error:
        # Raised again by the thread that waits: a log that cannot be written, such as on a full disk.
        failures.append(error)


def _feed(target: IO[bytes], content: bytes) -> None:
    try:
        with target:
            target.write(content)
    except BrokenPipeError:
        pass  # It ended without reading all; its exit code says whether that is an error.


def _last_part(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
        return file.read().decode(errors="replace")
