"""What an upgrade of an install would bring, as far as its source answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bundle.artifacts.difference import changed_versions
from bundle.artifacts.remotes.addresses import Access
from bundle.base.errors import BundleError
from bundle.base.threads import in_parallel
from bundle.model.manifest import read_manifest
from bundle.run.install.records import Installed
from bundle.run.install.source import Source
from bundle.run.install.sources import open_source

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store

_PARALLEL = 4


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the source of an install has for it."""

    state: Literal["current", "upgrade", "gone", "unknown"]
    layers: int = 0
    """Those that would be fetched."""
    moves: int = 0
    """Compressed bytes of them."""
    packages: tuple[str, ...] = ()
    """What would change, such as `numpy 2.2.6 -> 2.3.0`."""
    why: str = ""
    """Why nothing is known."""


def outlooks(installed: Sequence[Installed], store: Store, access: Access) -> list[Outlook]:
    """Ask the sources of installs, each once, what they have for them."""
    urls = list(dict.fromkeys(one.mark.source for one in installed if "://" in one.mark.source))
    opened = dict(zip(urls, in_parallel(lambda url: open_source(url, access), urls, threads=_PARALLEL), strict=True))
    return [_outlook(one, opened.get(one.mark.source), store) for one in installed]


def _outlook(installed: Installed, source: Source | Exception | None, store: Store) -> Outlook:
    if source is None:
        return Outlook(state="unknown", why="it came from an archive")
    try:
        if isinstance(source, Exception):
            raise source
        mark = installed.mark
        offers = [one for one in source.offers() if (one.version, one.platform) == (mark.version, mark.platform)]
        if not offers:
            return Outlook(state="gone")
        if offers[0].digest == mark.digest:
            return Outlook(state="current")
        with closing(source):
            contents = source.contents(offers[0])
        manifest = read_manifest(installed.target.path)
    except BundleError as error:
        return Outlook(state="unknown", why=error.what)
    here = {layer.digest for layer in manifest.layers}
    new = [one for one in contents.layers if one.record.digest not in here and not store.layer(one.record)]
    whole = contents.archive.size if contents.archive and not contents.layers else 0
    return Outlook(
        state="upgrade",
        layers=len(new),
        moves=whole + sum(one.length for one in new),
        packages=tuple(changed_versions(_versions(manifest.packages), _versions(contents.entry.packages))),
    )


class _Versioned(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...


def _versions(packages: Iterable[_Versioned]) -> dict[str, str]:
    return {package.name: package.version for package in packages}
