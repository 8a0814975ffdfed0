"""The session of the HTTP library: connections, certificates, and the redirections that it follows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from bundle import __version__
from bundle.base.errors import NetworkError
from bundle.base.http.transfer import length
from bundle.base.http.urls import leaves_https, origin, redact


class Session(requests.Session):
    """Follows redirections from HTTPS to plain HTTP only to configured URLs, and without credentials to other origins.

    Args:
        environ: where the CA bundle may be named.
        connections: kept open for one host.
        configured: whether the configuration names the scheme, host and port of a URL.
        deadline: returns the seconds in which the status and the headers of an answer must be here.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        connections: int,
        configured: Callable[[str], bool],
        deadline: Callable[[], float],
    ) -> None:
        super().__init__()
        self._configured = configured
        for scheme in ("https://", "http://"):
            adapter = HTTPAdapter(pool_connections=16, pool_maxsize=connections, max_retries=0)
            adapter.poolmanager.pool_classes_by_scheme = _pool_classes(deadline)
            self.mount(scheme, adapter)
        self.headers["User-Agent"] = f"bundle/{__version__}"
        # The library reads the first two itself; the third is what most other programs read.
        named = [environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")]
        if not any(named[:2]) and named[2]:
            self.verify = named[2]

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a response redirects to, for the library."""
        try:
            target = super().get_redirect_target(resp)
            safe = target is None or not leaves_https(resp.url, urljoin(resp.url, target))
        except ValueError:
            resp.close()
            raise requests.exceptions.InvalidURL("it redirects to an address that is no URL") from None
        size = length(resp.headers)
        if target is not None and ("Content-Encoding" in resp.headers or size is None or size > 2**16):
            resp.close()  # The library would read all of the body, however long.
        if target is not None and not safe and not self._configured(urljoin(resp.url, target)):
            resp.close()
            raise requests.exceptions.InvalidSchema(f"it redirects to {redact(target)}, which is not HTTPS")
        return target

    def should_strip_auth(self, old_url: str, new_url: str) -> bool:
        """Return whether credentials stay behind in a redirection."""
        return origin(old_url) != origin(new_url)


class _Timed(HTTPConnection):
    """A connection whose answers begin in time; the library's timeouts are for each byte, not for all headers."""

    deadline: Callable[[], float]

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in its base
        """Return the answer, with its headers."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            with suppress(OSError, AttributeError):
                self.sock.shutdown(socket.SHUT_RDWR)

        seconds = type(self).deadline()
        slow = NetworkError(
            f"{self.host} is too slow: the headers of its answer took more than {seconds:.0f} s (build.timeout).",
            remedy="Use another mirror, or raise build.timeout.",
        )
        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        except Exception:
            if late.is_set():
                raise slow from None
            raise
        finally:
            timer.cancel()
            timer.join()  # Past this, it can't shut down a connection that the next request uses.
        if late.is_set():
            response.close()
            raise slow
        return response


def _pool_classes(limit: Callable[[], float]) -> dict[str, type[HTTPConnectionPool]]:
    class Connection(_Timed):
        deadline = staticmethod(limit)

    class SecureConnection(_Timed, HTTPSConnection):
        deadline = staticmethod(limit)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
