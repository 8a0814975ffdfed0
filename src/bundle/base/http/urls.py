"""URLs: redaction, credentials, local files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bundle.base.errors import ConfigError

Credentials = tuple[str, str]

_USER = re.compile(r"(//)[^/?#\s]*@")

_SECRET = re.compile(r"(?i)([?&;#][^=&;#\s]*(?:token|key|sig|secret|pass|pwd|auth|cred|session)[^=&;#\s]*=)[^&;#\s]*")
"""A query parameter whose value is a secret: tokens, passwords, signatures of signed URLs."""


def redact(url: str) -> str:
    """Return a URL, or a text with URLs, as it may be shown: no user, no password, no secret parameter."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1", url))


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, which credentials belong to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def credentials_variable(url: str) -> str:
    """Return the beginning of the names of the environment variables with the credentials of a URL's host."""
    host = urlsplit(url).hostname or ""
    return "BUNDLE_INDEX_" + re.sub(r"[^A-Z0-9]", "_", host.upper())


def split_credentials(url: str, environ: Mapping[str, str]) -> tuple[str, Credentials | None]:
    """Return a URL without its credentials, and those that apply to it.

    Args:
        url: where user and password may stand before the host; these win.
        environ: where `BUNDLE_INDEX_<HOST>_USERNAME` and `_PASSWORD` may stand; a password alone is a token.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=host).geturl()
    if at:
        name, _, password = user.partition(":")
        return bare, (unquote(name), unquote(password))
    variable = credentials_variable(url)
    named, secret = environ.get(f"{variable}_USERNAME"), environ.get(f"{variable}_PASSWORD")
    if named is None and secret is None:
        return bare, None
    return bare, ("__token__" if named is None else named, secret or "")


def local_path(url: str) -> Path | None:
    """Return the file that a `file:` URL names, None for a URL of the web (RFC 8089).

    Raises:
        ConfigError: its scheme is none that can be read.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{redact(url)} is not a URL: {error}.") from error
    if parts.scheme in ("http", "https") and parts.hostname:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ConfigError(
            f"{redact(url)} cannot be read: it is not a https://, http:// or file:/// URL.",
            remedy="Correct the URL; a folder of this machine is written file:///path/to/folder.",
        )
    path = unquote(parts.path)
    if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    return Path(path)
