"""Whether anybody is there, found out quickly: a host that is not there must not cost a build half a minute."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bundle.artifacts.interpreters.source import Tools
from bundle.base.errors import NetworkError
from bundle.base.http.urls import redact

_PATIENCE = 5.0
"""Seconds that a host may take to accept a connection before it counts as absent."""


class Contacts:
    """Remembers for one run who is there, so that each host is tried once."""

    def __init__(self) -> None:
        self._absent: dict[str, tuple[str, NetworkError] | None] = {}

    def require(self, url: str, environ: Mapping[str, str], tools: Tools) -> None:
        """Raise if nobody accepts a connection; any answer at all, and any other trouble, means that somebody is there.

        Troubles of a host that is there are the patient downloader's.

        Args:
            url: what is going to be asked for.
            environ: where credentials and proxies are named.
            tools: whose downloader decides on `--offline`.

        Raises:
            NetworkError: nobody is there.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or tools.downloader.offline:
            return
        if parts.netloc not in self._absent:
            self._absent[parts.netloc] = _absence(url, environ, tools)
        if error := self._absent[parts.netloc]:
            asked, why = error
            raise NetworkError(why.what.replace(asked, redact(url)), cause=why.cause, remedy=why.remedy)


def _absence(url: str, environ: Mapping[str, str], tools: Tools) -> tuple[str, NetworkError] | None:
    from bundle.base.http.client import Downloader, UnreachableError

    impatient = Downloader(reporter=tools.reporter, environ=environ, retries=0, timeout=_PATIENCE)
    try:
        impatient.size(url)
    except UnreachableError as error:
        return redact(url), error
    except NetworkError:
        # Somebody is there; the patient downloader deals with the trouble.
        return None
    return None
