"""Start a program and hand on its output as it comes; the one place that starts programs."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bundle.base.errors import WorkError
from bundle.base.processes.stop import end_tree, ended_at_exit, refuse_when_closing

_DRAIN = 1.0
"""Seconds that a program's descendants may hold its output open after its end."""

_FLUSH = 30.0
"""Seconds that the rest of the output may take to reach a slow disk once all its writers have ended."""

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

Sink = Callable[[bytes], object]
"""Takes a part of the output; called in a thread, and its first error ends the stream with that error."""


@dataclass(frozen=True)
class Program:
    """A program as it is started."""

    command: Sequence[str]
    """The program and its arguments; no shell is involved."""
    env: Mapping[str, str] | None = None
    """The complete environment; this process's own if None."""
    cwd: Path | None = None
    inherited: tuple[int, ...] = ()
    """Descriptors that the program and what it starts inherit, such as that of a lock."""


def stream(
    program: Program, *, output: Sink, errors: Sink | None, timeout: float | None, stdin: bytes | None
) -> tuple[int, bool]:
    """Run a program to its end, in a process group of its own, and hand on its output as it comes.

    When it takes too long, or the wait is interrupted, it is ended with all its descendants. Descendants that still
    hold the output open when the program has ended are ended as well.

    Args:
        errors: takes standard error; if None, `output` takes both, in the order in which they come.
        timeout: in seconds; None for no limit.
        stdin: its standard input; empty if None.

    Returns:
        The exit code, and whether the program exceeded the time limit.

    Raises:
        WorkError: the program does not exist or cannot be started.
        InterruptedRunError: the run is being interrupted.
    """
    threads: list[threading.Thread] = []
    failures: list[Exception] = []
    refuse_when_closing()
    process = _start(program, merge=errors is None, reads=stdin is not None)
    with ended_at_exit(process):
        try:
            threads.append(_background(_pump, process.stdout, output, failures))
            if errors is not None:
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
    return process.returncode, timed_out


def _start(program: Program, *, merge: bool, reads: bool) -> subprocess.Popen[bytes]:
    command, env, cwd = program.command, program.env, program.cwd
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
            **inheritance(program.inherited),
        )
    except OSError as error:
        if error.errno in _SHORTAGES:
            raise  # It says nothing about the program.
        if cwd is not None and not cwd.is_dir():
            raise WorkError(f"{command[0]} cannot start in {cwd}: the folder does not exist.") from error
        raise unstartable(command[0], str(error.strerror)) from error


def unstartable(program: str, why: str) -> WorkError:
    """Return the error of a program that does not exist or cannot be started.

    Args:
        why: the words of the system.
    """
    if why != os.strerror(errno.ENOENT):
        return WorkError(f"The program {program} cannot be started: {why}.")
    return WorkError(
        f"The program {program} does not exist.",
        cause="It is not installed or not on PATH, or the interpreter in the script's first line is missing.",
        remedy="Install it or put it on PATH, then run the same command again.",
    )


def inheritance(descriptors: tuple[int, ...]) -> dict[str, Any]:
    """Return the options by which a program inherits open files."""
    if sys.platform != "win32":
        return {"pass_fds": descriptors}
    if not descriptors:
        return {}
    import msvcrt

    handles = [msvcrt.get_osfhandle(one) for one in descriptors]
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})}


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


def _pump(source: IO[bytes], sink: Sink, failures: list[Exception]) -> None:
    try:
        with source:
            while chunk := source.read1(2**16):  # type: ignore[attr-defined]  # buffered, though typed as any IO
                sink(chunk)
    except (OSError, ValueError) as error:
        # Raised again by the thread that waits: a log that cannot be written, such as on a full disk.
        failures.append(error)


def _feed(target: IO[bytes], content: bytes) -> None:
    try:
        with target:
            target.write(content)
    except BrokenPipeError:
        pass  # It ended without reading all; its exit code says whether that is an error.
