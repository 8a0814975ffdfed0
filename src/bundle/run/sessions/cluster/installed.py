"""An install of this machine as a source of its bundle for other machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.artifacts.catalogue_entry import entry_of, layer_record
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from bundle.model.manifest import MANIFEST, read_manifest
from bundle.run.install.records import Installed
from bundle.run.install.reuse import documents_from, layers_from
from bundle.run.install.source import Contents, Offer, PlacedLayer


class InstalledBundle:
    """The layers of an install, out of the store or made again from its files."""

    authenticated = True

    def __init__(self, installed: Installed, store: Store, reporter: Reporter) -> None:
        self.url = str(installed.target.path)
        self._mark = installed.mark
        self._tree = installed.target.path
        # The layer of the documents has the digest that it was built with only with the time of that build.
        self._store = Store(store.root, reporter=reporter, epoch=int((self._tree / MANIFEST).stat().st_mtime))
        self._frames: dict[str, Path] = {}

    def is_signed(self) -> bool:
        """Return False: there is no metadata in an install."""
        return False

    def offers(self) -> Sequence[Offer]:
        """Return the one bundle."""
        return (Offer(version=self._mark.version, platform=self._mark.platform, digest=self._mark.digest),)

    def contents(self, offer: Offer) -> Contents:
        """Return what is in it, its layers compressed in the store."""
        manifest = read_manifest(self._tree)
        layers = self._layers()
        entry = replace(entry_of(manifest, layers, (), folder=self._tree, root=self._tree), path="")
        if entry.digest != offer.digest:
            raise IntegrityError(
                f"{self._tree} cannot be sent to workers: files of it are not as they were installed.",
                cause="Something was changed or installed in it, and the store has not all of its layers.",
                remedy="Install it again, or name a remote with --runtime-from.",
            )
        placed = []
        for layer, made in zip(layers, self._store.frames(layers, Compression(format="tar.zst")), strict=True):
            self._frames[layer.digest] = made.path
            frames, end = [], 0
            for one in made.frames:
                frames.append(IndexedFrame(offset=end, length=one.length, sha256=one.sha256, size=one.size))
                end += one.length
            placed.append(PlacedLayer(record=layer_record(layer), container=layer.digest, frames=tuple(frames)))
        return Contents(entry=entry, layers=tuple(placed))

    def read(self, container: str, first: int, length: int) -> bytes:
        """Return some bytes of a layer's frames, by its digest."""
        with self._frames[container].open("rb") as file:
            file.seek(first)
            return file.read(length)

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _layers(self) -> list[Layer]:
        """Return those that there are, in order, the documents last."""
        records = read_manifest(self._tree).layers
        have = {one.digest: layer for one in records if (layer := self._store.layer(one))}
        missing = [one for one in records if one.digest not in have]
        have |= {layer.digest: layer for layer in layers_from(self._tree, missing, self._store)}
        documents = documents_from(self._tree, self._store)
        return [*(have[one.digest] for one in records if one.digest in have), *([documents] if documents else [])]
