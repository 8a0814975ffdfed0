"""The session of the HTTP library: connections, certificates, and the redirections that it follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from bundle import __version__
from bundle.base.http.transfer import length
from bundle.base.http.urls import leaves_https, origin, redact


class Session(requests.Session):
    """Follows redirections from HTTPS to plain HTTP only to configured URLs, and without credentials to other origins.

    Args:
        environ: where the CA bundle may be named.
        connections: kept open for one host.
        configured: whether the configuration names the scheme, host and port of a URL.
    """

    def __init__(self, environ: Mapping[str, str], *, connections: int, configured: Callable[[str], bool]) -> None:
        super().__init__()
        self._configured = configured
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=connections, max_retries=0))
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
