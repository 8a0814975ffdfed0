"""A source of bundles, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry, bundle_digest
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.text import did_you_mean, shortened
from bundle.model.manifest import LayerRecord


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One bundle that a source has."""

    version: str
    platform: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class PlacedLayer:
    """One layer at its source."""

    record: LayerRecord
    container: str
    """The archive or blob that holds its frames, by a name of the source's own."""
    frames: tuple[IndexedFrame, ...]
    """One after the other in it."""

    @property
    def first(self) -> int:
        """The position of its first byte."""
        return self.frames[0].offset

    @property
    def length(self) -> int:
        """Compressed bytes."""
        return sum(frame.length for frame in self.frames)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """One bundle at its source."""

    entry: Entry
    layers: tuple[PlacedLayer, ...] = ()
    """As in the entry; none if it can only be had as a whole."""
    archive: ArchiveRecord | None = None
    """The archive that has it as a whole."""

    def __post_init__(self) -> None:
        """Refuse a source that contradicts itself."""
        digests = [layer.record.digest for layer in self.layers]
        named = [layer.digest for layer in self.entry.layers]
        if (self.layers and digests != named) or bundle_digest(self.entry.layers) != self.entry.digest:
            raise IntegrityError(
                f"{self.entry.version} for {self.entry.platform} is not what its catalogue says: other layers.",
                cause="The catalogue, or the index of the archive, was changed, or belongs to another bundle.",
                remedy="Ask the person who publishes it.",
            )


class Source(Protocol):
    """Where bundles come from."""

    @property
    def url(self) -> str:
        """Its address, without credentials."""

    @property
    def authenticated(self) -> bool:
        """Whether a pinned root vouches for its catalogue; hashes guard all else."""

    def is_signed(self) -> bool:
        """Return whether it has signed metadata, whose root could be pinned."""

    def offers(self) -> Sequence[Offer]:
        """Return all bundles that it has.

        Raises:
            NetworkError: it does not answer.
            IntegrityError: its catalogue is none.
        """

    def contents(self, offer: Offer) -> Contents:
        """Return what is in a bundle, and where.

        Raises:
            NetworkError: it does not answer.
            IntegrityError: the description contradicts itself or the catalogue.
        """

    def read(self, container: str, first: int, length: int) -> bytes:
        """Return some bytes, fewer at the end only; several threads may call this at once."""

    def close(self) -> None:
        """Close the files that are open; a later call opens them again."""


def offer_of(source: Source, version: str, platform: str) -> Offer:
    """Return the bundle of a version on a platform.

    Raises:
        ConfigError: the source does not have it.
    """
    offers = source.offers()
    found = next((one for one in offers if (one.version, one.platform) == (version, platform)), None)
    if found is not None:
        return found
    others = [one.platform for one in offers if one.version == version]
    versions = list(dict.fromkeys(one.version for one in offers))
    raise ConfigError(
        f"{source.url} has no bundle of {version} for {platform}." + did_you_mean(version, set(versions) - {version}),
        cause=f"It has that version for {', '.join(others)}." if others else f"It has {shortened(versions)}.",
        remedy="Name one of these, with --platform and --into for another platform's."
        if others
        else "Name one of these, or publish that version.",
    )
