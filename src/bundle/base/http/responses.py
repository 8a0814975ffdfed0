"""Responses of servers, and the errors among them (RFC 9110, section 15)."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

from bundle.base.errors import NetworkError
from bundle.base.http.retry import TransientError
from bundle.base.http.urls import credentials_variable, redact
from bundle.base.text import printable


class NotFoundError(NetworkError):
    """The server, or the folder, answered that it has no such file."""

    default_remedy = "Check the address; a mirror may lack the file, or have it under another name."


class ForbiddenError(NetworkError):
    """The server answered that it does not show this, at least not to these credentials."""


class TooLongError(NetworkError):
    """A server sends more than it may, maybe without end."""

    default_remedy = "Use another server, or find out who changed the file there."


class UnreachableError(NetworkError):
    """There is no connection: the host refuses it, or its name or the route to it is unknown."""

    default_remedy = (
        "Check the connection, the proxy (HTTPS_PROXY, NO_PROXY) and the address, then run the same command again."
    )
    certain: bool = False
    """Whether there is no such name, or the host refuses: a further attempt would get the same answer."""


@dataclass(frozen=True, kw_only=True)
class Conditional:
    """The validators of a cached response."""

    etag: str | None = None
    """The header `ETag` that it came with."""
    modified: str | None = None
    """The header `Last-Modified` that it came with."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response."""

    url: str
    """Where the answer came from in the end, after redirections; without credentials."""
    status: int
    """200, or 304 when what is at hand is still right."""
    headers: Mapping[str, str]
    """With names in lower case."""
    content: bytes
    """The body; empty with status 304."""


def raise_for(url: str, status: int, reason: str, headers: Mapping[str, str]) -> NoReturn:
    """Raise the error that an answer with a status of 400 or above means.

    Raises:
        NotFoundError: there is nothing at this address.
        ForbiddenError: the server does not say whether there is anything.
        TransientError: it may pass.
        NetworkError: it will not.
    """
    what = f"{redact(url)} answered {status} {printable(reason)[:200]}".rstrip() + "."
    if status in (404, 410):
        raise NotFoundError(what)
    if status in (401, 403, 407):
        raise (ForbiddenError if status == 403 else NetworkError)(
            what,
            cause="The server requires other credentials, or the file is not public.",
            remedy=f"Set {credentials_variable(url)}_USERNAME and _PASSWORD, or add the host to your netrc file.",
        )
    if status >= 500 or status in (408, 425, 429):
        raise TransientError(NetworkError(what), wait=_retry_after(headers.get("Retry-After")))
    raise NetworkError(what)


def _retry_after(text: str | None) -> float:
    """Return the seconds that a server asks for (RFC 9110, section 10.2.3), 0 if it does not."""
    if not text:
        return 0.0
    if text.isascii() and text.strip().isdigit():
        return float(text)
    with suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def no_answer(error: Exception, url: str, *, connect: float, timeout: float) -> NetworkError:
    """Return the error of an address without an answer: in a few words what the library says in many.

    Args:
        connect: seconds that a connection may take.
        timeout: seconds that the next byte may take.
    """
    import requests
    from urllib3 import exceptions

    chain: list[BaseException] = [error]
    for link in chain:
        inner = (*link.args, getattr(link, "reason", None), link.__cause__)
        chain.extend(part for part in inner if isinstance(part, BaseException) and part not in chain)
    kinds = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyError)
    unreachable = any(isinstance(link, kinds) for link in chain)
    told = [link.strerror.lower() for link in chain if isinstance(link, OSError) and link.strerror]
    if told:
        why = told[-1]
    elif any(isinstance(link, (requests.Timeout, exceptions.TimeoutError)) for link in chain):
        why = f"no connection for {connect:g} s" if unreachable else f"no byte for {timeout:g} s"
    else:
        why = redact(str(chain[-1]) or type(error).__name__)[:500]
    known = (UnreachableError if unreachable else NetworkError)(f"{redact(url)} did not answer: {why}.")
    if isinstance(known, UnreachableError):
        known.certain = any(_is_certain(link) for link in chain)
    return known


def _is_certain(error: BaseException) -> bool:
    """Return whether the system said that a name does not exist, or a host that it takes no connections."""
    return isinstance(error, ConnectionRefusedError) or (
        isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    )
