"""Who may speak to the service: hosts, origins, the token, and how much a request may hold."""

from __future__ import annotations

import hmac
import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from bundle.base.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "bundle_session"

LEAST_TOKEN = 16
"""Characters of a token."""

_OPEN = ("/health", "/login", "/static/page.css", "/static/page.js")
"""Paths that need no token."""

_READING = ("GET", "HEAD")

_HEADERS = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    # Without any referrer, a browser says "null" for the origin of a form.
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def is_loopback(host: str) -> bool:
    """Return whether an address is one of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, kw_only=True)
class Access:
    """What is asked of clients.

    Raises:
        ConfigError: other machines could connect without a token, or the token is short.
    """

    host: str = "127.0.0.1"
    """The address that the service listens on."""
    token: str = field(default="", repr=False)
    most_bytes: int = 100 * 2**20
    """Of a request."""
    sessions: set[str] = field(default_factory=set, repr=False)
    """Cookies of those who gave the token on the page."""

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise ConfigError(
                f"Other machines could start jobs here: {self.host} is no loopback address, and there is no token.",
                remedy="Set BUNDLE_SERVE_TOKEN or --token-file, or listen on 127.0.0.1.",
            )
        if self.token and len(self.token) < LEAST_TOKEN:
            raise ConfigError(
                f"The token has less than {LEAST_TOKEN} characters.", remedy="`openssl rand -hex 32` makes a good one."
            )

    def fits(self, token: str) -> bool:
        """Return whether a token is the right one; takes the same time for each wrong one."""
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def open_session(self) -> str:
        """Return a new cookie."""
        cookie = secrets.token_urlsafe(32)
        self.sessions.add(cookie)
        return cookie


class Guard:
    """The middleware around the whole service."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        if refusal := self._refusal(scope, headers):
            await _refuse(answer, *refusal, html="text/html" in headers.get("accept", ""))
            return
        await self._app(scope, self._bounded(receive), answer)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._access.token and not is_loopback(_name_of(host)):
            # A page of another site whose name leads to this machine.
            return 421, "The host of the request is not this machine."
        if scope["method"] not in _READING:
            origin = headers.get("origin")
            foreign = origin is not None and origin.partition("://")[2] != host
            if foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return 403, "The request comes from another site."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length[:15]) > self._access.most_bytes:
            return 413, f"A request may have {self._access.most_bytes} bytes at most."
        if not self._access.token or scope["path"] in _OPEN or self._knows(headers):
            return None
        return 401, "The token is missing or wrong."

    def _knows(self, headers: Mapping[str, str]) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._access.fits(token.strip())
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and cookie.value in self._access.sessions

    def _bounded(self, receive: Receive) -> Receive:
        left = self._access.most_bytes

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"A request may have {self._access.most_bytes} bytes at most.")
            return message

        return bounded


def _name_of(host: str) -> str:
    """Return the name in a host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.rpartition(":")[0] if ":" in host else host


async def _refuse(send: Send, status: int, why: str, *, html: bool) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401 and html:
        status, headers = 303, [(b"location", b"/login")]
    elif status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": why}).encode()})
