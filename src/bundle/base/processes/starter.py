"""A program that starts others and ends all that they leave behind; run as a program of its own.

It serves one program, its client, over a socket. A request is a length of four bytes, with which the descriptor for the
output comes, and as many bytes of JSON; the answers are lines of JSON. When the client closes the socket, or ends, all
that was started is killed. On Linux it adopts every descendant whose parent has ended (a child subreaper).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from bundle.base.processes.supervisor import Tree

_GRACE = 1.0
"""Seconds that background processes have to end after the request to."""

_PATIENCE = 20.0
"""Seconds to kill what is left; a process that may not be killed, such as another user's, outlives them."""


class Starter:
    """The programs that one client has started.

    Args:
        mark: a variable with its value that all of them have.
    """

    def __init__(self, client: socket.socket, mark: str) -> None:
        self._client = client
        self._tree = Tree(mark)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.asked = False
        """Whether the client asked for the end."""

    def serve(self) -> None:
        """Start what the client asks for, and tell each end, until the client asks for the end or is gone."""
        while not self.asked:
            ready, _, _ = select.select([self._client.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._client.fileno() in ready and not self._answer():
                return

    def end(self) -> list[int]:
        """End all that was started, and return the processes that could not be ended."""
        if self.asked:
            deadline = time.monotonic() + _GRACE
            if not self._gone():
                self._tree.ask()
            while not self._gone() and time.monotonic() < deadline:
                time.sleep(0.01)
        deadline = time.monotonic() + _PATIENCE
        while not self._gone() and time.monotonic() < deadline:
            self._tree.kill()
            time.sleep(0.005)
        return [] if self._gone() else [member.pid for member in self._tree.members(thorough=True)]

    def tell(self, **answer: Any) -> None:
        """Send an answer to the client, which may be gone."""
        with suppress(OSError):
            self._client.sendall(json.dumps(answer).encode() + b"\n")

    def _answer(self) -> bool:
        """Do one request; False if there will be no more."""
        header, descriptors, _, _ = socket.recv_fds(self._client, 4, 1)
        try:
            request = self._received(header)
            if request is None:
                return False
            if request.get("end"):
                self.asked = True
                return True
            self._start(request, descriptors[0])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _received(self, header: bytes) -> dict[str, Any] | None:
        while 0 < len(header) < 4 and (more := self._client.recv(4 - len(header))):
            header += more
        if len(header) < 4:
            return None
        content = bytearray()
        length = int.from_bytes(header, "big")
        while len(content) < length:
            part = self._client.recv(min(2**16, length - len(content)))
            if not part:
                return None
            content += part
        request: dict[str, Any] = json.loads(content)
        return request

    def _start(self, request: dict[str, Any], output: int) -> None:
        try:
            process = subprocess.Popen(
                request["args"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            number, why = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
            self.tell(id=request["id"], errno=number, error=why)
            return
        self._running[process.pid] = process
        self.tell(id=request["id"], pid=process.pid)
        # It may have ended before its number was known here.
        self._reap()

    def _reap(self) -> bool:
        """Tell of ended programs; return whether no child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if (process := self._running.pop(pid, None)) is not None:
                process.returncode = os.waitstatus_to_exitcode(status)
                self.tell(ended=pid, code=process.returncode)

    def _gone(self) -> bool:
        nothing = self._reap()
        return nothing if sys.platform == "linux" else not self._tree.members(thorough=True)


def main(clients: Mapping[int, str]) -> NoReturn:
    """Serve clients, each in a process of its own.

    Args:
        clients: the descriptors of sockets, each with a variable and its value that all programs of this client have.
    """
    import resource

    # A dump of a program would hold its secrets.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Not ignored: what it starts would inherit that.
        signal.signal(number, lambda *_: None)
    for descriptor, mark in clients.items():
        if len(clients) > 1 and os.fork():
            continue
        for other in clients.keys() - {descriptor}:
            os.close(other)
        _serve(descriptor, mark)
    for descriptor in clients:
        os.close(descriptor)
    with suppress(ChildProcessError):
        while True:
            os.wait()
    os._exit(0)


def _serve(descriptor: int, mark: str) -> NoReturn:
    starter = Starter(socket.socket(fileno=descriptor), mark)
    starter.tell(starter=os.getpid())
    try:
        with suppress(OSError, ValueError):
            starter.serve()
    finally:
        left = starter.end()
    starter.tell(left=left)
    os._exit(0)
