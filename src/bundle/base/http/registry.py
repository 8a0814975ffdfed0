"""A client of container registries (OCI distribution specification): requests, uploads, and tokens.

Answers are bounded and sent again as all others of this room; the library oras finds the credentials.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from bundle.base.errors import ConfigError, NetworkError
from bundle.base.http.body import chunks
from bundle.base.http.client import Downloader
from bundle.base.http.retry import TransientError
from bundle.base.http.urls import conceal, is_readable, origin, redact

if TYPE_CHECKING:
    import requests

    from bundle.base.report import Reporter

_LARGEST_ANSWER = 2**16
"""Bytes of an answer to a login or an upload."""

_LOGINS = 3
"""Requests until a token fits: another thread may have fetched one in between that permits less."""

_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"', re.IGNORECASE)


_CODE = re.compile(r'"code": ?"([A-Z_]{1,40})"')


class RegistryClient(Downloader):
    """Reads and writes in a registry; HTTP without TLS is for hosts of the loopback alone.

    Credentials come from the configuration file of Docker, its credential helpers, or `ORAS_USER` and `ORAS_PASS`.

    Args:
        host: with the port, if it has one.
        environ: where the CA bundle and `DOCKER_CONFIG` may be named.
    """

    def __init__(self, host: str, *, reporter: Reporter, environ: Mapping[str, str]) -> None:
        super().__init__(reporter=reporter, environ=environ)
        self.address = f"{'http' if is_loopback(host) else 'https'}://{host}"
        self._host = host
        self._login = _credentials(host, environ)
        self._header = ""
        self._lock = threading.Lock()
        self.credentials.of = self._authorization  # type: ignore[method-assign]  # the token changes

    def put(self, url: str, content: bytes, media_type: str) -> None:
        """Write a document, such as a manifest.

        Raises:
            NetworkError: there is no answer, or an error.
        """

        def attempt() -> None:
            with self._request("PUT", url, {"Content-Type": media_type}, data=content, allowed=(400, 404)) as response:
                if response.status_code < 400:
                    return
                body = b"".join(chunks(response, redact(url), deadline=self.deadline, limit=_LARGEST_ANSWER))
            # Such as while another client uploads a blob that the document names: for a moment the registry lacks it.
            codes = sorted(set(_CODE.findall(body.decode(errors="replace"))))
            raise TransientError(NetworkError(f"{redact(url)} was refused: {', '.join(codes) or 'no reason given'}."))

        self._retried(attempt)

    def mount(self, repository: str, sha256: str, origin: str) -> bool:
        """Take a blob over from another repository of the registry; return whether the registry did.

        Args:
            repository: the address of the one that gets it.
            origin: the name of the one that has it.

        Raises:
            NetworkError: there is no answer, or an error.
        """
        query = urlencode({"mount": f"sha256:{sha256}", "from": origin})

        def attempt() -> bool:
            with self._request("POST", f"{repository}/blobs/uploads/?{query}", {}) as response:
                return response.status_code == 201

        return self._retried(attempt)

    def upload(self, repository: str, sha256: str, size: int, source: Callable[[], Iterable[bytes]]) -> None:
        """Upload a blob; the registry keeps it only if it has the digest.

        Args:
            repository: its address.
            source: gives the bytes, from the start at each call.

        Raises:
            NetworkError: there is no answer, or an error.
        """

        def attempt() -> None:
            with self._request("POST", f"{repository}/blobs/uploads/", {}) as response:
                place = self._followed(response.headers.get("Location", ""), response.url)
            address = f"{place}{'&' if urlsplit(place).query else '?'}{urlencode({'digest': f'sha256:{sha256}'})}"
            headers = {"Content-Type": "application/octet-stream"}
            with self._request("PUT", address, headers, data=_Body(source, size)) as response:
                response.close()

        self._retried(attempt)

    def _authorization(self, url: str) -> tuple[str, Any]:
        """Return a URL, and what adds the credentials of the registry to requests to it."""
        header = self._header if origin(url) == origin(self.address) else ""

        # A function of its own also for no credentials: else the library would take those of a netrc file.
        def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if header:
                request.headers.setdefault("Authorization", header)
            return request

        return url, add

    @contextmanager
    def _request(
        self, method: str, url: str, headers: Mapping[str, str], *, allowed: tuple[int, ...] = (), data: Any = None
    ) -> Iterator[requests.Response]:
        status = 401
        for _ in range(_LOGINS):
            header = self._header
            with super()._request(method, url, headers, allowed=(*allowed, 401, 403), data=data) as response:
                challenge = response.headers.get("WWW-Authenticate", "")
                if response.status_code not in (401, 403):
                    yield response
                    return
            status = response.status_code
            if status == 403 or origin(url) != origin(self.address):
                break
            if not self._log_in(challenge, header):
                break
        raise self._refused(url, status)

    def _log_in(self, challenge: str, used: str) -> bool:
        """Get the authorization that a challenge asks for (RFC 9110, section 11); return whether there is one."""
        with self._lock:
            if self._header != used:
                return True  # Another thread was first.
            scheme, _, rest = challenge.partition(" ")
            if scheme.lower() == "basic":
                self._header = self._login
            elif scheme.lower() == "bearer":
                self._header = f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"
            return bool(self._header) and self._header != used

    def _token(self, asked: Mapping[str, str]) -> str:
        realm = self._followed(asked.get("realm", ""), self.address)
        query = urlencode({name: asked[name] for name in ("service", "scope") if name in asked})
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{query}"

        headers = {"Authorization": self._login} if self._login else {}
        with super()._request("GET", url, headers, allowed=(401, 403)) as response:
            if response.status_code in (401, 403):
                raise self._refused(realm, response.status_code)
            body = b"".join(chunks(response, redact(realm), deadline=self.deadline, limit=_LARGEST_ANSWER))
        try:
            answer = json.loads(body)
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise NetworkError(f"{redact(realm)} gave no token.")
        conceal(token, self.address)
        return token

    def _followed(self, target: str, base: str) -> str:
        """Return the address that an answer names, if it is in the registry itself or behind TLS."""
        with suppress(ValueError):
            place = urljoin(base, target)
            if is_readable(place) and (origin(place) == origin(self.address) or urlsplit(place).scheme == "https"):
                return place
        raise NetworkError(f"{redact(self.address)} leads to {redact(target)[:500]}, which is not HTTPS.")

    def _refused(self, url: str, status: int) -> NetworkError:
        return NetworkError(
            f"{redact(url)} answered {status}.",
            cause="The registry requires other credentials for this repository, or does not have it."
            if self._login
            else "No credentials for this registry were found.",
            remedy=f"`docker login {self._host}` stores some; or set ORAS_USER and ORAS_PASS.",
        )


class _Body:
    """The bytes of a request, which have a known length and can be sent again."""

    def __init__(self, source: Callable[[], Iterable[bytes]], size: int) -> None:
        self._source = source
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._source())


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _credentials(host: str, environ: Mapping[str, str]) -> str:
    """Return the header with user and password for a registry, empty if there are none."""
    try:
        from oras.auth import get_auth_backend
        from oras.container import Container
    except ImportError as error:
        raise ConfigError(
            f"oci://{host} needs a library that is not installed.", remedy="pip install 'bundle-toolchain[oci]'"
        ) from error
    folder = environ.get("DOCKER_CONFIG")
    named = [str(path) for path in [Path(folder or ".") / "config.json"] if folder and path.is_file()]
    backend = get_auth_backend("basic")
    try:
        backend.load_configs(Container("repository", registry=host), configs=named)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(
            "The configuration file of Docker cannot be read.",
            cause=f"It is malformed, or a credential helper failed: {type(error).__name__}.",
            remedy=f"`docker login {host}` writes it.",
        ) from None
    secret = getattr(backend, "_basic_auth", None)
    if not secret:
        return ""
    try:
        password = base64.b64decode(secret, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        password = ""
    for value in (secret, password, os.environ.get("ORAS_PASS", "")):
        conceal(value, f"https://{host}")
    return f"Basic {secret}"
