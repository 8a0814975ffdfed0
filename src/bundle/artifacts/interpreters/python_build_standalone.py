"""Interpreter source `python-build-standalone`: relocatable builds from a table of releases with their hashes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from bundle.artifacts.interpreters.archive_layouts import make as finish
from bundle.artifacts.interpreters.archive_layouts import unpack
from bundle.artifacts.interpreters.portable.content_rules import LICENCES_OF_STANDALONE
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Tools, archive_key, obtain
from bundle.base.errors import IntegrityError
from bundle.base.folders import remove_tree
from bundle.base.reflink import place_file
from bundle.base.staging import staged_file
from bundle.model.platforms import Platform, short_version

Found = TypeVar("Found")

NAME = "python-build-standalone"
MIRROR_VARIABLE = "BUNDLE_PYTHON_MIRROR"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One file of one release."""

    python: str
    url: str
    sha256: str


class Table(Protocol):
    """Where releases are looked up."""

    def releases(self, python: str, platform: Platform) -> Sequence[Release]:
        """Return the releases of X.Y there, newest first."""
        ...


class PbsTable:
    """The table that the package pbs-installer carries."""

    def releases(self, python: str, platform: Platform) -> Sequence[Release]:
        """Return the releases of X.Y there, newest first; those without a hash do not count."""
        newest = self._release(python, platform)
        if newest is None:
            return ()
        older = (
            self._release(f"{python}.{patch}", platform) for patch in reversed(range(int(newest.python.split(".")[2])))
        )
        return (newest, *(release for release in older if release is not None))

    def _release(self, python: str, platform: Platform) -> Release | None:
        arch, system = platform.release
        try:
            with warnings.catch_warnings():
                # It reads its own data in a way that Python 3.11 dislikes.
                warnings.simplefilter("ignore", DeprecationWarning)
                from pbs_installer import get_download_link

                # An empty base URL keeps PBS_INSTALLER_BASE_URL out, whose layout has no release tags.
                version, (url, sha256) = get_download_link(python, arch=arch, platform=system, base_url="")
        except ValueError:
            return None
        if sha256 is None:
            return None
        return Release(python=f"{version.major}.{version.minor}.{version.micro}", url=url, sha256=sha256)


class PythonBuildStandalone:
    """The source.

    Args:
        table: where releases are looked up; the one of pbs-installer by default.
    """

    name = NAME

    def __init__(self, table: Table | None = None) -> None:
        self._table = table or PbsTable()

    def offers(self, request: Request) -> Sequence[Offer | Refusal]:
        """Return the exact release, then the other patch releases of the same X.Y, newest first."""
        minor = short_version(request.python)
        releases = self._table.releases(minor, request.platform)
        offers: list[Offer | Refusal] = [_offer(release, request) for release in releases]
        offers.sort(key=lambda offer: isinstance(offer, Offer) and offer.python != request.python)
        if not releases:
            return [Refusal(source=NAME, reason=f"its table has no CPython {minor} for {request.platform.key}")]
        if not request.is_series and all(release.python != request.python for release in releases):
            newest = releases[0].python
            reason = f"its table has no CPython {request.python} for {request.platform.key} (newest {minor}: {newest})"
            offers.insert(0, Refusal(source=NAME, reason=reason))
        return offers

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:
        """Bring the archive into the file cache."""
        self._obtain(offer, request, tools)
        return offer

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        """Ask the release host, or the mirror, whether it has the archive."""
        if tools.files.get(offer.key["sha256"]) is None:
            self._first(offer, request, tools, tools.downloader.size)

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        """Unpack the archive and normalise it."""
        archive = self._obtain(offer, request, tools)
        scratch = tools.work / offer.key["sha256"][:16]
        unpacked = unpack(archive, scratch, request.platform, name=archive.name)
        if unpacked.python != offer.python:
            raise IntegrityError(
                f"{archive.name} holds Python {unpacked.python}; the release table says {offer.python}."
            )
        about = finish(unpacked, request, tree, tools)
        remove_tree(scratch)
        return replace(about, licences={**LICENCES_OF_STANDALONE, **about.licences})

    def place(self, offer: Offer, request: Request, target: Path, tools: Tools) -> None:
        """Copy the verified archive to a file: from the cache, else from the release host or the mirror.

        Raises:
            NetworkError: it cannot be downloaded; the received part is kept, and the next call continues.
            IntegrityError: the bytes are not the ones promised.
        """
        sha256 = offer.key["sha256"]
        if cached := tools.files.get(sha256):
            with staged_file(target) as staging:
                place_file(cached, staging)
            return

        def fetch(url: str) -> str:
            return tools.downloader.fetch(url, target, sha256=sha256, label=target.name)

        self._first(offer, request, tools, fetch)

    def _obtain(self, offer: Offer, request: Request, tools: Tools) -> Path:
        filename = place_of(offer)[1]
        return self._first(offer, request, tools, lambda url: obtain(offer.key["sha256"], url, filename, tools))

    def _first(self, offer: Offer, request: Request, tools: Tools, ask: Callable[[str], Found]) -> Found:
        """Return the answer of the first address that has the file."""
        from bundle.base.http.client import NotFoundError

        addresses = _addresses(offer.location, request)
        for address in addresses[:-1]:
            try:
                return ask(address)
            except NotFoundError as error:
                tools.reporter.detail(error.what)
        return ask(addresses[-1])


def _offer(release: Release, request: Request) -> Offer:
    from bundle.base.http.urls import redact

    key = archive_key(release.sha256, request.platform)
    address = _addresses(release.url, request)[0]
    return Offer(source=NAME, python=release.python, detail=redact(address), key=key, location=release.url)


def _addresses(url: str, request: Request) -> Sequence[str]:
    """Return where a release may be: on its host, or on the mirror in the host's layout or in one flat folder."""
    mirror = request.environ.get(MIRROR_VARIABLE) or request.config.mirror
    if not mirror:
        return (url,)
    base = Path(mirror).as_uri() if Path(mirror).is_absolute() else mirror.rstrip("/")
    tag, file = urlsplit(url).path.split("/")[-2:]
    return (f"{base}/{tag}/{file}", f"{base}/{file}")


def place_of(offer: Offer) -> tuple[str, str]:
    """Return the release tag and the file name of an offer of this source, which mirrors keep it under."""
    tag, file = urlsplit(offer.location).path.split("/")[-2:]
    return unquote(tag), unquote(file)
