"""A release table in memory, and a loopback mirror in the release layout that behaves as badly as real ones do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bundle.artifacts.interpreters.python_build_standalone import Release
from bundle.model.platforms import Platform

CONTENT = bytes(range(256)) * 2000
HOST = "https://releases.example/download"


@dataclass(frozen=True)
class Listing:
    """A release table in memory."""

    entries: Sequence[Release]

    def releases(self, python: str, platform: Platform) -> Sequence[Release]:
        return [release for release in self.entries if release.python.startswith(f"{python}.")]


def release_of(python: str = "3.12.10", content: bytes = CONTENT) -> Release:
    file = f"cpython-{python}%2B20250529-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
    return Release(python=python, url=f"{HOST}/20250529/{file}", sha256=hashlib.sha256(content).hexdigest())


Answer = Callable[["MirrorHandler", bytes], None]


class MirrorHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MirrorServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self.server.requests[self.path] += 1
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass

    def _answer(self, *, body: bool) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
        elif body and self.server.troubles:
            self.server.troubles.pop(0)(self, content)
        else:
            self.good(content, body=body)

    def good(self, content: bytes, *, body: bool = True, claim: int | None = None) -> None:
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted.startswith("bytes=") else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str((claim or len(content)) - start))
        self.end_headers()
        if body:
            self.wfile.write(content[start:])


class MirrorServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files: dict[str, bytes], troubles: Sequence[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.files = files
        self.troubles = list(troubles)
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/python"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that the client gave up."""


def stall(handler: MirrorHandler, content: bytes) -> None:
    handler.good(content[: len(content) // 3], claim=len(content))
    handler.wfile.flush()
    time.sleep(3)
    handler.close_connection = True


def reset(handler: MirrorHandler, content: bytes) -> None:
    handler.connection.close()
    handler.close_connection = True


def unavailable(handler: MirrorHandler, content: bytes) -> None:
    handler.send_error(503)


def truncate(handler: MirrorHandler, content: bytes) -> None:
    handler.good(content[: len(content) // 2], claim=len(content))
    handler.close_connection = True


def lie(handler: MirrorHandler, content: bytes) -> None:
    handler.good(bytes(len(content)))


@contextmanager
def serving(*troubles: Answer, content: bytes = CONTENT) -> Iterator[MirrorServer]:
    path = f"/python/20250529/{release_of().url.rpartition('/')[2]}"
    server = MirrorServer({path: content}, troubles)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
