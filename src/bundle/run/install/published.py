"""A remote that bundles are published to, as a source: each layer is a blob of its own."""

from __future__ import annotations

from collections.abc import Sequence

from bundle.artifacts.remotes.published import Blob, PublishedCatalogue
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.artifacts.trust.pins import is_signed
from bundle.base.errors import IntegrityError
from bundle.base.http.urls import redact
from bundle.run.install.source import Contents, Offer, PlacedLayer


class Published:
    """A remote and its catalogue.

    Args:
        address: of the remote.
        authenticated: whether a pinned root vouches for the catalogue.
    """

    def __init__(
        self, remote: ReadableRemote, catalogue: PublishedCatalogue, address: str, *, authenticated: bool = False
    ) -> None:
        self.url = redact(address)
        self.authenticated = authenticated
        self._remote = remote
        self._catalogue = catalogue
        self._blobs: dict[str, Blob] = {}

    def is_signed(self) -> bool:
        """Return whether the remote has signed metadata."""
        return is_signed(self._remote)

    def offers(self) -> Sequence[Offer]:
        """Return all bundles of the catalogue."""
        return [
            Offer(version=entry.version, platform=entry.platform, digest=entry.digest)
            for entry in self._catalogue.bundles
        ]

    def contents(self, offer: Offer) -> Contents:
        """Return what is in a bundle, by its document."""
        entry = self._catalogue.find(offer.version, offer.platform)
        if entry is None:
            raise IntegrityError(f"{self.url} does not list {offer.version} for {offer.platform}.")
        document = self._remote.bundle(entry)
        self._blobs |= {blob.sha256: blob for blob in document.blobs}
        layers = [
            PlacedLayer(record=record, container=layer.blob.sha256, frames=layer.frames)
            for record, layer in zip(document.entry.layers, document.layers, strict=True)
        ]
        return Contents(entry=document.entry, layers=tuple(layers))

    def read(self, container: str, first: int, length: int) -> bytes:
        """Return some bytes of a blob, by its SHA-256."""
        return b"".join(self._remote.read(self._blobs[container], first, length))

    def close(self) -> None:
        """Do nothing: no file is open."""
