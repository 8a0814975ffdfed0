"""Package registries: the one that serves a name, its files, and the addresses of a file with a known hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from bundle.artifacts.registries.default_index import default_index
from bundle.artifacts.registries.simple_api import ACCEPT, RemoteFile, parse_page
from bundle.artifacts.store.json_cache import JsonCache
from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.http.client import Answer, Conditional, NotFoundError, redact
from bundle.base.http.urls import holds_concealed, leaves_https, origin
from bundle.model.config.config import Registries as RegistriesConfig
from bundle.model.config.config import Registry
from bundle.model.records import from_json, to_json


class Get(Protocol):
    """Asks a server for one document, as `Downloader.get` does."""

    def __call__(self, url: str, *, accept: str | None = None, cached: Conditional | None = None) -> Answer:
        """Return the answer; raise NotFoundError for 404 and 410, NetworkError for any other failure."""


@dataclass(frozen=True, kw_only=True)
class _SeenFile:
    """Where a file was seen, and how large it is."""

    url: str
    """Without credentials."""
    size: int | None

    @classmethod
    def read(cls, value: dict[str, Any]) -> _SeenFile:
        url, size = value["url"], value["size"]
        if not isinstance(url, str) or not isinstance(size, int | None):
            raise TypeError("no address, or no size")
        return cls(url=url, size=size)


@dataclass(frozen=True)
class Page:
    """The files of one project in one registry."""

    registry: str
    """The registry's address without credentials, for messages."""
    files: tuple[RemoteFile, ...]


class Registries:
    """The registries of one configuration; safe to ask from several threads.

    A registry that is tied to packages is asked for those alone, and is their only one. For any other name, the first
    that has it serves it: additional registries in their order, then the default (as uv does, and for the same reason:
    a higher version elsewhere must not shadow a private name).

    Args:
        config: addresses, credentials included.
        folder: a cache folder; gets `pages/` and `urls/`.
        environ: where the default registry may be named.
    """

    def __init__(
        self, config: RegistriesConfig, *, get: Get, folder: Path, environ: Mapping[str, str], offline: bool = False
    ) -> None:
        self._config = config
        self._get = get
        self._pages = JsonCache(folder / "pages", _Document.read)
        self._seen = JsonCache(folder / "urls", _SeenFile.read)
        self._environ = environ
        self._offline = offline
        self._asked: dict[tuple[str, str], Future[Page | None]] = {}
        self._lock = Lock()

    def page(self, name: str) -> Page | None:
        """Return the page of a normalised name from the registry that serves it, or None if no registry has the name.

        Raises:
            NetworkError: a registry did not answer, or answered with an error other than "not found".
            ConfigError: an environment variable of the registry that the name is tied to is not set.
        """
        return next(self.pages(name), None)

    def pages(self, name: str) -> Iterator[Page]:
        """Yield the page of a name from each registry that may be asked for it, in the order of precedence."""
        for registry in self.route(name):
            page = self._once(registry, name)
            if page is not None:
                yield page

    def route(self, name: str) -> tuple[Registry, ...]:
        """Return the registries that may be asked for a name, in their order."""
        if self.is_tied(name):
            return tuple(one for one in self._config.additional if one.packages and one.serves(name))
        return (*(one for one in self._config.additional if not one.packages), self._default)

    def precedence(self, name: str) -> str:
        """Return which registry serves a name in place of others that were not asked; empty if no other may be."""
        route = self.route(name)
        for registry, *others in (route[place:] for place in range(len(route) - 1)):
            if (page := self._once(registry, name)) is not None:
                where = f" ({registry.origin})" if registry.origin else ""
                unasked = " and ".join("the default" if one == self._default else redact(one.url) for one in others)
                return (
                    f"{page.registry}{where} is the first registry that has {name}; {unasked} was not asked. "
                    "Tie that registry to its packages ({url, packages}) to have others from elsewhere."
                )
        return ""

    def is_tied(self, name: str) -> bool:
        """Return whether the configuration ties a name to registries."""
        return any(one.packages and one.serves(name) for one in self._config.additional)

    def locate(self, name: str, filename: str, sha256: str) -> Iterator[str]:
        """Yield addresses where a project's file with just these bytes should be, the likeliest first.

        Raises:
            IntegrityError: a registry has a file of this name with another hash, and none has the right one.
            NetworkError: a registry did not answer.
        """
        remembered = self.remembered(sha256)
        if remembered:
            yield remembered
        found, other = False, None
        for page in self.pages(name):
            for file in page.files:
                if file.sha256 == sha256 or (file.filename == filename and file.sha256 is None):
                    found = True
                    if file.url != remembered:
                        yield file.url
                elif file.filename == filename:
                    other = page.registry
        if other and not found:
            raise IntegrityError(
                f"{filename} is on {other} with another hash than in the lock.",
                cause="The file was replaced after the lock was made, or the lock comes from another registry.",
                remedy=f"Find out who replaced it. If that is right, lock again with `--upgrade {name}`.",
            )

    def remember(self, file: RemoteFile) -> None:
        """Keep in the cache where a file was seen, and how large it is."""
        if file.sha256 is None:
            return
        before = self._seen.find(file.sha256)
        size = before.size if before and file.size is None else file.size
        url = _bare(file.url)
        # The address of a file that only a secret opens is asked of the registry anew.
        seen = _SeenFile(url=url if redact(url) == url else "", size=size)
        if seen != before:
            self._seen.put(file.sha256, asdict(seen))

    def remembered(self, sha256: str) -> str | None:
        """Return where a file was seen, by its sha256, or None."""
        seen = self._seen.find(sha256)
        return self.with_credentials(seen.url) if seen and seen.url else None

    def remembered_size(self, sha256: str) -> int | None:
        """Return how large a file is, by its sha256, or None if that is not known."""
        seen = self._seen.find(sha256)
        return seen.size if seen else None

    def with_credentials(self, url: str) -> str:
        """Return an address with the credentials that the configuration has for its server."""
        for registry in self._config.additional:
            if not registry.missing:
                url = _add_credentials(url, registry.url)
        return _add_credentials(url, self._default.url)

    @cached_property
    def _default(self) -> Registry:
        return Registry(url=self._config.default or default_index(self._environ))

    def _once(self, registry: Registry, name: str) -> Page | None:
        key = (registry.template, name)
        with self._lock:
            mine = key not in self._asked
            future = self._asked.setdefault(key, Future())
        if mine:
            try:
                future.set_result(self._ask(registry, name))
            except BaseException as error:  # noqa: BLE001 - other threads that wait get the same
                future.set_exception(error)
        return future.result()

    def _ask(self, registry: Registry, name: str) -> Page | None:
        base = registry.url
        url = f"{base.rstrip('/')}/{name}/"
        if urlsplit(base).scheme == "file":
            url += "index.html"
        try:
            document = self._document(url)
        except NotFoundError:
            return None
        found_at = _add_credentials(document.url, base)
        named = parse_page(document.content.encode("latin-1"), content_type=document.content_type, url=found_at)
        files = tuple(file for file in named if self._configured(file.url) or not leaves_https(url, file.url))
        if named and not files:
            raise NetworkError(
                f"{redact(url)} links to no file by HTTPS: {redact(named[0].url)} is not safe to use.",
                cause="The registry does not know that a proxy serves it by HTTPS, or somebody changed its pages.",
                remedy="Correct the registry's settings, or configure its http:// URL.",
            )
        files = tuple(file._replace(url=_add_credentials(file.url, base)) for file in files) if "@" in base else files
        return Page(redact(base), files)

    def _configured(self, url: str) -> bool:
        additional = [one.url for one in self._config.additional if not one.missing]
        return origin(url) in {origin(one) for one in (*additional, self._config.default or "")}

    def _document(self, url: str) -> _Document:
        key = sha256(_bare(url).encode()).hexdigest()
        cached = self._pages.find(key)
        if cached is not None and cached.url == redact(url):
            cached = replace(cached, url=_bare(url))
        if self._offline and not url.startswith("file:"):
            if cached is None:
                raise NetworkError(
                    f"{redact(url)} is not in the cache, and --offline forbids the request.",
                    cause="The cache has only the projects of earlier runs.",
                    remedy="Run the same command once without --offline.",
                )
            return cached
        conditions = None
        if cached is not None and (cached.etag or cached.modified):
            conditions = Conditional(etag=cached.etag, modified=cached.modified)
        answer = self._get(url, accept=ACCEPT, cached=conditions)
        if answer.status == 304 and cached is not None:
            return cached
        headers = answer.headers
        document = _Document(
            url=_bare(answer.url),
            content_type=headers.get("content-type", "text/html"),
            content=answer.content.decode("latin-1"),
            etag=headers.get("etag"),
            modified=headers.get("last-modified"),
        )
        if cached != document and not holds_concealed(answer.content):
            self._pages.put(key, to_json(replace(document, url=redact(document.url))))
        return document


@dataclass(frozen=True, kw_only=True)
class _Document:
    """What a registry answered."""

    url: str
    """Without credentials; in the cache without any secret."""
    content_type: str
    content: str
    """Each byte is the character of its number, so that JSON holds any page."""
    etag: str | None
    modified: str | None

    @classmethod
    def read(cls, value: Any) -> _Document:
        document = from_json(cls, value)
        urlsplit(document.url)
        document.content.encode("latin-1")
        return document


def _bare(url: str) -> str:
    """Return an address without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _add_credentials(url: str, registry: str) -> str:
    """Return the address with the registry's credentials, if it is on the registry's server and has none."""
    credentials, at, server = urlsplit(registry).netloc.rpartition("@")
    parts = urlsplit(url)
    if not at or parts.netloc != server or parts.scheme != urlsplit(registry).scheme:
        return url
    return urlunsplit(parts._replace(netloc=f"{credentials}@{server}"))
