"""Start many programs that end, with all their descendants, when they shall or when this process ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from bundle.base.errors import WorkError
from bundle.base.processes.supervised import MARK, sweep

_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from bundle.base.processes.starter import main; main({})"

_LATE = 30.0
"""Seconds that the starter has to end all that it started."""

supported = sys.platform != "win32"
"""Whether descriptors can be passed to another process, which this needs."""


class StartedProgram:
    """A program that a `Starter` started, with the part of the interface of `subprocess.Popen` that its users need."""

    def __init__(self, args: Sequence[str]) -> None:
        self.args = args
        self.pid = 0
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self.known = threading.Event()
        self.ended = threading.Event()
        self.error: OSError | ValueError | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after a time.
        """
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return self.returncode


def starters(count: int) -> list[Starter]:
    """Return starters that are ready together, for less time than if each one got ready for itself.

    Raises:
        WorkError: this system cannot do that.
    """
    if not supported:
        raise WorkError("Programs cannot be started by way of another one on this system.")
    if not count:
        return []
    pairs = [socket.socketpair() for _ in range(count)]
    clients = {theirs.fileno(): secrets.token_hex(16) for _, theirs in pairs}
    code = _CODE.format({number: f"{MARK}={mark}" for number, mark in clients.items()})
    launched = _Launched(code, tuple(clients))
    found = []
    for (ours, theirs), mark in zip(pairs, clients.values(), strict=True):
        theirs.close()
        found.append(Starter(ours, mark, launched))
    return found


class _Launched:
    """The process of a starter, or the parent of several, which ends with the last one."""

    def __init__(self, code: str, descriptors: tuple[int, ...]) -> None:
        self._guard = threading.Lock()
        self._count = len(descriptors)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", code, str(Path(__file__).parents[3])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=descriptors,
            cwd=os.sep,
            start_new_session=True,
        )

    def release(self) -> None:
        """Take note of the end of a starter."""
        with self._guard:
            self._count -= 1
        if self._count == 0:
            try:
                self.process.wait(_LATE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Starter:
    """Starts programs by way of another process, which ends what they leave behind; made by `starters`.

    It is ready after a moment, for which the first program waits.

    Args:
        connection: to the other process.
        mark: the value of a variable that all programs get.
        launched: the other process, or its parent.
    """

    def __init__(self, connection: socket.socket, mark: str, launched: _Launched) -> None:
        self.mark = mark
        self._socket = connection
        self._launched = launched
        self._pid = 0
        self._sending = threading.Lock()
        self._programs: dict[int, StartedProgram] = {}
        self._count = 0
        self._left: tuple[int, ...] | None = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(
        self, args: Sequence[str], *, env: Mapping[str, str], cwd: str | None, encoding: str, errors: str
    ) -> StartedProgram:
        """Start a program whose standard output and error come together, as text.

        Raises:
            OSError: it cannot be started.
            ValueError: an argument is not possible, such as one with a zero byte.
        """
        program = StartedProgram(args)
        reading, writing = os.pipe()
        try:
            with self._sending:
                self._count += 1
                self._programs[self._count] = program
                request = {"id": self._count, "args": list(args), "env": {**env, MARK: self.mark}, "cwd": cwd}
                content = json.dumps(request).encode()
                socket.send_fds(self._socket, [len(content).to_bytes(4, "big")], [writing])
                self._socket.sendall(content)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        program.known.wait()
        if program.error is not None:
            os.close(reading)
            raise program.error
        program.stdout = open(reading, encoding=encoding, errors=errors)  # noqa: PTH123, SIM115 - a descriptor
        return program

    def end(self) -> tuple[int, ...]:
        """End all programs with their descendants, and return the processes that could not be ended."""
        if self._left is not None and self._socket.fileno() < 0:
            return self._left
        with self._sending, suppress(OSError):
            content = json.dumps({"end": True}).encode()
            self._socket.sendall(len(content).to_bytes(4, "big") + content)
        self._listener.join(_LATE)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._listener.is_alive() and self._pid:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
        self._launched.release()
        if self._left is None:
            sweep(self.mark)
            self._left = ()
        self._socket.close()
        return self._left

    def _listen(self) -> None:
        with self._socket.makefile("r", encoding="utf-8") as answers, suppress(OSError, ValueError):
            for line in answers:
                self._take(json.loads(line))
        # The starter is gone, and with it all that it started.
        for program in tuple(self._programs.values()):
            if not program.known.is_set():
                program.error = OSError("The process that starts programs has ended.")
                program.known.set()
            self._conclude(program, -9)

    def _take(self, answer: dict[str, Any]) -> None:
        if "left" in answer:
            self._left = tuple(answer["left"])
        elif "starter" in answer:
            self._pid = answer["starter"]
        elif "ended" in answer:
            for number, program in tuple(self._programs.items()):
                if program.pid == answer["ended"]:
                    del self._programs[number]
                    self._conclude(program, answer["code"])
        else:
            program = self._programs[answer["id"]]
            if "pid" in answer:
                program.pid = answer["pid"]
            else:
                del self._programs[answer["id"]]
                number = answer["errno"]
                program.error = ValueError(answer["error"]) if number is None else OSError(number, answer["error"])
            program.known.set()

    @staticmethod
    def _conclude(program: StartedProgram, code: int) -> None:
        if program.returncode is None:
            program.returncode = code
        program.ended.set()
