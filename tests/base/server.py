"""A web server on the loopback that misbehaves on request."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def credentials(self) -> str | None:
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None


@dataclass
class Site:
    """What a server has, and how it behaves: each request takes the next behaviour, and good manners after the last.

    Behaviours: "ok"; "503" or any other status; "stall" and "reset" (after half of the body, or "… 0" before any);
    "truncate" (half of the body, though all was promised); "lie" (other bytes); "whole" (no ranges); "no-suffix"
    (no "last bytes"); "shift" (a range with another start); "to URL" (a redirection); "chunked".
    """

    files: dict[str, bytes] = field(default_factory=dict)
    behaviours: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    etags: bool = True
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)


class QuietHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with `answer`, without a word on stderr."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        pass


def part_of(content: bytes, header: str) -> tuple[int, bytes] | None:
    """Return the bytes that a header `Range` asks for behind their position, None if it asks for none."""
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if wanted is None:
        return None
    if not wanted[1]:
        start = max(0, len(content) - int(wanted[2]))
        return start, content[start:]
    start = int(wanted[1])
    return start, content[start : int(wanted[2]) + 1 if wanted[2] else None]


class _Handler(QuietHandler):
    site: Site

    def answer(self) -> None:
        site = self.site
        headers = {name.lower(): value for name, value in self.headers.items()}
        site.seen.append(Seen(self.command, self.path, headers))
        behaviour, _, detail = (site.behaviours.pop(0) if site.behaviours else "ok").partition(" ")
        content = site.files.get(self.path.partition("?")[0])
        if behaviour == "to":
            self._head(302, {"Location": detail, "Content-Length": "0"})
        elif behaviour.isdigit():
            self._head(int(behaviour), {"Content-Length": "5"} | site.extra)
            self._body(b"sorry")
        elif behaviour in ("stall", "reset") and detail == "0":
            self._break(behaviour)
        elif content is None:
            self._head(404, {"Content-Length": "0"})
        else:
            self._send(behaviour, content, headers)

    def _send(self, behaviour: str, content: bytes, headers: dict[str, str]) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        head = {"ETag": etag} if self.site.etags else {}
        head |= self.site.extra
        if behaviour == "lie":
            content = content[::-1]
        if headers.get("if-none-match") == etag:
            self._head(304, head)
            return
        status = 200
        part = part_of(content, headers.get("range", ""))
        fits = headers.get("if-range") in (None, etag, head.get("Last-Modified"))
        refused = behaviour == "no-suffix" and "=-" in headers.get("range", "")
        if part is not None and fits and behaviour != "whole" and not refused:
            start, wanted = part
            size = len(content)
            if start >= size:
                self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
                return
            status, content = 206, wanted
            first = start + (behaviour == "shift")
            head["Content-Range"] = f"bytes {first}-{start + len(content) - 1}/{size}"
        if behaviour == "chunked":
            self._head(status, head | {"Transfer-Encoding": "chunked"})
            self._body(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
            return
        self._head(status, head | {"Content-Length": str(len(content))})
        if behaviour in ("stall", "reset", "truncate"):
            self._body(content[: len(content) // 2])
            self._break(behaviour)
        else:
            self._body(content)

    def _break(self, behaviour: str) -> None:
        self.wfile.flush()
        self.close_connection = True
        if behaviour == "stall":
            self.site.released.wait(20)
        elif behaviour == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, content: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about connections that were broken on purpose."""


@contextmanager
def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server until the block ends, and give its address."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving() -> Iterator[Site]:
    """Run a server of a site until the block ends."""
    site = Site()
    with running(type("Handler", (_Handler,), {"site": site})) as site.url:
        try:
            yield site
        finally:
            site.released.set()
