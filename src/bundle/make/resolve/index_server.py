"""A package index on this machine's loopback: uv sees it in place of the registries while it resolves."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Protocol
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

_JSON = "application/vnd.pypi.simple.v1+json"

_PATIENCE = 3.0
"""Seconds that an interrupted run waits for work whose programs have been ended."""


class EndedError(Exception):
    """A request came after the solver had ended, or another request had failed."""


class LongWork:
    """Work that a request waits for, such as a source build: one piece at a time, and only while a solver runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._allowed = False

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let work begin while the block runs; at its end, wait for the piece that still runs."""
        self._allowed = True
        try:
            yield
        except BaseException:
            self._end(_PATIENCE)
            raise
        self._end(None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Enclose one piece of work.

        Raises:
            EndedError: the solver has ended, or another request has failed.
        """
        with self._lock:
            if not self._allowed:
                raise EndedError
            yield

    def stop(self) -> None:
        """Let no other piece begin."""
        self._allowed = False

    def _end(self, patience: float | None) -> None:
        self.stop()
        waited = 0.0
        # In slices, because a wait without end cannot be interrupted on Windows.
        while not self._lock.acquire(timeout=0.5):
            waited += 0.5
            if patience is not None and waited >= patience:
                return
        self._lock.release()


class Index(Protocol):
    """Versions for the solver to choose from."""

    @property
    def long_work(self) -> LongWork:
        """The work that answers may have to wait for."""

    def versions(self, name: str) -> Iterable[Version] | None:
        """Return the versions of a normalised name, None if no registry has the name."""

    def metadata(self, name: str, version: Version) -> bytes:
        """Return the core metadata of a version."""


class Served:
    """A running loopback index.

    Args:
        url: address of the simple API.
    """

    def __init__(self, index: Index, url: str) -> None:
        self._index = index
        self.url = url
        self.failure: Exception | None = None
        """The first error that a request met; uv only sees that there was one."""

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body for a request's path."""
        try:
            parts = [unquote(part) for part in path.split("?")[0].strip("/").split("/")]
            if len(parts) == 2 and parts[0] == "simple":
                return self._page(canonicalize_name(parts[1]))
            if len(parts) == 2 and parts[0] == "files" and parts[1].endswith(".whl.metadata"):
                name, version, _, _ = parse_wheel_filename(parts[1].removesuffix(".metadata"))
                return 200, "text/plain", self._index.metadata(name, version)
        except Exception as error:  # noqa: BLE001 - raised again where the server was started
            # Set before work is stopped: the requests that this ends fail as well.
            self.failure = self.failure or error
            self._index.long_work.stop()
            return 500, "text/plain", b""
        return 404, "text/plain", b""

    def _page(self, name: str) -> tuple[int, str, bytes]:
        versions = self._index.versions(name)
        if versions is None:
            return 404, "text/plain", b""
        files = [
            {"filename": file, "url": f"/files/{quote(file)}", "hashes": {}, "core-metadata": True}
            for file in (f"{name.replace('-', '_')}-{version}-py3-none-any.whl" for version in versions)
        ]
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        return 200, _JSON, json.dumps(page).encode()


@contextmanager
def serving(index: Index) -> Iterator[Served]:
    """Serve an index on a free loopback port while the block runs.

    Args:
        index: asked from several threads.
    """
    server = _Server(("127.0.0.1", 0), BaseHTTPRequestHandler)
    served = Served(index, f"http://127.0.0.1:{server.server_port}/simple")
    server.RequestHandlerClass = _handler(served.answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with index.long_work.allowed():
            yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's signature
        """Pass over connections that the solver closes because it knows enough."""
        if not isinstance(sys.exception(), ConnectionError):
            raise


def _handler(answer: Callable[[str], tuple[int, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_error(405)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's signature
            """Print nothing: every request comes from the solver that this process started."""

    return Handler
