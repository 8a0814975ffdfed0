"""URLs: redaction, credentials, local files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from bundle.base.errors import ConfigError
from bundle.base.text import printable

Credentials = tuple[str, str]

_USER = re.compile(r"(//)[^/?#\s]*@")

_SECRET = re.compile(
    r"(?i)([?&;#](?=[^=?&;#\s]*=)[^=?&;#\s]*?(?:token|key|sig|secret|pass|pwd|auth|cred|session)[^=?&;#\s]*=)[^&;#\s]*"
)
"""A query parameter whose value is a secret: tokens, passwords, signatures of signed URLs."""


_SECRET_PART = re.compile(
    r"(?<=/)(?:(?<=/t/)[^/?#\s]+|(?:gh[opsu]_|github_pat_|glpat-|pypi-Ag)[^/?#\s]+|"
    r"(?=[^/?#\s]*[A-Z])(?=[^/?#\s]*[a-z])(?=[^/?#\s]*[0-9])[A-Za-z0-9_-]{20,}(?=[/?#\s]|$))"
)
"""A part of a path that is a token, by its place, its first letters, or its look: long, of letters and digits."""


_SHORTEST = 6
"""Characters of a value that `conceal` takes; a shorter one would be a part of too many words."""

_concealed: set[str] = set()
"""Kept for the whole process, because messages are made in many places, and by libraries that know no configuration."""


def conceal(value: str, url: str) -> None:
    """Let `redact` take a value out of all texts, also where it is percent-encoded.

    Args:
        value: from the environment; one that is an address stands for the parts of its path.
        url: the address that it was put into; the name of its host is no secret.
    """
    host = re.split("[/?#]", url.partition("//")[2])[0].rpartition("@")[2]
    parts = [value]
    if "://" in value:
        parts = [part for part in re.split("[/?#]", value.partition("://")[2])[1:] if not part.isalpha()]
    for part in parts:
        if len(part) >= _SHORTEST and part not in host:
            _concealed.update({part, unquote(part), quote(part), quote(part, safe=""), quote_plus(part)})


def holds_concealed(content: bytes) -> bool:
    """Return whether a document holds a value that must not be kept."""
    return any(value.encode() in content for value in _concealed)


def redact(url: str) -> str:
    """Return a URL, or a text with URLs, as it may be shown: no user, password, token or control character."""
    for value in sorted(_concealed, key=len, reverse=True):
        url = re.sub(re.escape(value), "***", url, flags=re.IGNORECASE)
    return _SECRET_PART.sub("***", _SECRET.sub(r"\1***", _USER.sub(r"\1", printable(url))))


def redacted(value: Any) -> Any:
    """Return a JSON value without the credentials in its URLs."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(one) for one in value]
    if isinstance(value, dict):
        return {key: redacted(one) for key, one in value.items()}
    return value


def is_readable(url: str) -> bool:
    """Return whether a URL has the parts of one (RFC 3986): a host in brackets that is no address has none."""
    try:
        parts = urlsplit(url)
        return parts.port is None or bool(parts.hostname)
    except ValueError:
        return False


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, which credentials belong to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def credentials_variable(url: str) -> str:
    """Return the beginning of the names of the environment variables with the credentials of a URL's host."""
    host = (urlsplit(url).hostname if is_readable(url) else None) or ""
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


class CredentialStore:
    """Credentials by scheme, host and port.

    Those of a URL apply to further URLs of the same origin. Those of environment variables apply to the configured
    URLs of that name, else to the first: a page may link to another host for which the same variable would be.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._of_urls: dict[str, Credentials] = {}
        self._owners: dict[str, set[str]] = {}
        self._configured: set[str] = set()

    def configure(self, urls: Iterable[str]) -> None:
        """Take URLs of the configuration as those that variables are for.

        Raises:
            ConfigError: a variable with credentials would be for two hosts.
        """
        for own, variable in ((origin(url), credentials_variable(url)) for url in urls):
            self._configured.add(own)
            self._owners[variable] = {one for one in self._configured if credentials_variable(one) == variable}
            hosts = sorted({urlsplit(one).hostname or "" for one in self._owners[variable]})
            if len(hosts) > 1 and split_credentials(own, self._environ)[1] is not None:
                raise ConfigError(
                    f"The credentials in {variable}_PASSWORD could be for {' or '.join(hosts)}.",
                    remedy="Unset the variable, and give the credentials in the URLs or in your netrc file.",
                )

    def configured(self, url: str) -> bool:
        """Return whether the configuration names a URL of the same scheme, host and port."""
        return origin(url) in self._configured

    def of(self, url: str) -> tuple[str, Credentials | None]:
        """Return a URL without its credentials, and those that may be sent to it."""
        bare, credentials = split_credentials(url, self._environ)
        own = origin(url)
        if bare != url and credentials is not None:
            self._of_urls[own] = credentials
        elif credentials is not None and own not in self._owners.setdefault(credentials_variable(url), {own}):
            credentials = None
        return bare, credentials or self._of_urls.get(own)


def leaves_https(source: str, target: str) -> bool:
    """Return whether a link or redirection goes from HTTPS to plain HTTP of another machine, or to no server at all."""
    before, after = urlsplit(source), urlsplit(target)
    if after.scheme == "http" and before.scheme == "https":
        return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", after.hostname or "") is None
    return after.scheme not in ("https", "http", before.scheme)


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
