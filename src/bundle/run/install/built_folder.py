"""The results of `bundle build --output DIR` as a source, in a folder or on a web server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from bundle.artifacts.archives.bundle_archive import read_open_index
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry
from bundle.base.errors import IntegrityError
from bundle.base.filenames import path_obstacle
from bundle.base.http.urls import redact
from bundle.run.install.source import Contents, Offer, PlacedLayer

if TYPE_CHECKING:
    from bundle.base.http.client import Downloader
    from bundle.base.http.ranges import SizedReader

_PREFERRED = ("tar.zst", "tar.gz", "zip")


class BuiltFolder:
    """A catalogue of builds with its archives beside it; layers are read out of the `.tar.zst` by its index.

    Args:
        address: of the folder.
        catalogue: the content of its `catalogue.json`.
    """

    authenticated = False

    def __init__(self, address: str, catalogue: bytes, downloader: Downloader) -> None:
        self.url = redact(address)
        self._address = address
        self._content = catalogue
        self._downloader = downloader
        self._opened: dict[str, SizedReader] = {}
        self._turn = Lock()

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue.parse(self._content, f"{self.url}/catalogue.json")

    def is_signed(self) -> bool:
        """Return False: what builds write is not signed."""
        return False

    def offers(self) -> Sequence[Offer]:
        """Return all bundles of the catalogue."""
        return [
            Offer(version=entry.version, platform=entry.platform, digest=entry.digest)
            for entry in self._catalogue.entries
        ]

    def contents(self, offer: Offer) -> Contents:
        """Return what is in a bundle, by the index of its archive where that has one."""
        entry = self._catalogue.find(offer.version, offer.platform)
        archives = {archive.format: archive for archive in entry.archives} if entry else {}
        archive = next((archives[one] for one in _PREFERRED if one in archives), None)
        if entry is None or archive is None or path_obstacle(archive.path):
            raise IntegrityError(
                f"{self.url} lists {offer.version} for {offer.platform}, but no archive of it that can be used.",
                remedy="Build it again with an archive (build.archives).",
            )
        if archive.format != "tar.zst":
            return Contents(entry=entry, archive=archive)
        return Contents(entry=entry, layers=tuple(self._layers(entry, archive)), archive=archive)

    def read(self, container: str, first: int, length: int) -> bytes:
        """Return some bytes of an archive, by its path in the catalogue."""
        return self._open(container).part(first, length)

    def close(self) -> None:
        """Close the archives."""
        with self._turn:
            while self._opened:
                self._opened.popitem()[1].close()

    def _layers(self, entry: Entry, archive: ArchiveRecord) -> list[PlacedLayer]:
        opened = self._open(archive.path)
        if opened.size != archive.size:
            raise IntegrityError(
                f"{self.url}/{archive.path} has {opened.size} bytes, and {archive.size} by the catalogue.",
                cause="It was truncated or replaced, or the catalogue is of another build.",
                remedy="Copy archive and catalogue again, both of the same build.",
            )
        indexed = read_open_index(opened, f"{self.url}/{archive.path}")
        records = {layer.digest: layer for layer in entry.layers}
        if strange := next((layer for layer in indexed if layer.digest not in records), None):
            raise IntegrityError(
                f"{self.url}/{archive.path} has a layer that its catalogue does not have: {strange.name!r:.80}.",
                cause="The archive belongs to another build than the catalogue.",
                remedy="Copy both again, of the same build.",
            )
        return [
            PlacedLayer(record=records[layer.digest], container=archive.path, frames=layer.frames) for layer in indexed
        ]

    def _open(self, path: str) -> SizedReader:
        with self._turn:
            if path not in self._opened:
                self._opened[path] = self._downloader.open(f"{self._address}/{quote(path)}")
            return self._opened[path]
