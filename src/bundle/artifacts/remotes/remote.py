"""The protocol of a remote: a place that bundles are published to and installed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bundle.artifacts.catalogue_entry import ArchiveRecord
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedCatalogue, PublishedEntry
from bundle.base.errors import ConfigError, IntegrityError, NetworkError, WorkError

Source = Callable[[], Iterable[bytes]]
"""Gives the bytes of a blob, from the start at each call."""

Token = str | None
"""The state of a catalogue as its remote names it, such as an ETag; None if there is no catalogue."""


class CatalogueChangedError(WorkError):
    """Another process wrote the catalogue between reading and writing it; merge again and retry."""

    default_remedy = "Run the same command again."


class MissingBlobError(NetworkError):
    """The remote does not hold what its catalogue or a document of it names."""

    default_remedy = "Publish the bundle again, which sends only what is missing."


class TooLargeError(IntegrityError):
    """A document of a remote has more bytes than it may have, maybe without end."""

    default_remedy = "Find out who changed it."

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"{name} has more than the {most} bytes that it may have.")


class ReadOnlyError(ConfigError):
    """The remote can only be read."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One thing that a remote holds, as a listing finds it."""

    kind: Literal["blob", "document", "archive", "metadata", "page"]
    name: str
    """SHA-256 of a blob or a document, path of an archive, name of signed metadata, VERSION/PLATFORM of a page."""
    size: int
    age: float
    """Seconds since it was sent, or last relied on by a publisher."""
    place: str
    """Where the remote has it, in the remote's own terms."""


class CatalogueHolder(Protocol):
    """What holds a catalogue that several processes may change."""

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        """Return the catalogue, empty if there is none yet, and the token that replaces it.

        Raises:
            IntegrityError: it is too large, or no catalogue.
        """

    def replace_catalogue(self, catalogue: PublishedCatalogue, token: Token) -> None:
        """Write the catalogue if it is still the token's.

        Raises:
            CatalogueChangedError: it is not.
        """


class ReadableRemote(Protocol):
    """A place of published bundles; may be used by several threads.

    Every method raises NetworkError where the remote does not answer. What comes from a remote may be wrong in any
    way: catalogue and documents are checked here, the bytes of blobs by those who read them.
    """

    @property
    def url(self) -> str:
        """The address, without credentials."""

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        """Return the catalogue, empty if there is none yet, and the token that replaces it.

        Raises:
            IntegrityError: it is too large, or no catalogue.
        """

    def bundle(self, entry: PublishedEntry) -> BundleDocument:
        """Return the document of a bundle, which has the digest that the catalogue says.

        Raises:
            MissingBlobError: the remote does not hold it.
            IntegrityError: it is another, or malformed.
        """

    def read(self, blob: Blob, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a blob, unverified; never more than were asked for.

        Args:
            first: position of the first byte.
            length: number of bytes; None for all up to the end.

        Raises:
            MissingBlobError: the remote does not hold it.
            IntegrityError: it has fewer bytes.
        """

    def metadata(self, name: str, most: int) -> tuple[bytes, Token] | None:
        """Return a file of the signed metadata, unverified, and the token that replaces the timestamp.

        Args:
            name: such as `timestamp.json` or `2.root.json`; it may not lead to another folder.

        Raises:
            TooLargeError: it has more than `most` bytes.
        """


class Remote(ReadableRemote, CatalogueHolder, Protocol):
    """A remote that can be written to."""

    def put_metadata(self, files: Mapping[str, bytes], token: Token) -> None:
        """Write signed metadata that belongs together, the timestamp last.

        Args:
            files: by their names, which nothing may have yet, but for `timestamp.json` and catalogues.
            token: of the timestamp that is replaced.

        Raises:
            CatalogueChangedError: the timestamp is another now, or one of the names is taken; readers see no change.
        """

    def entry_of(self, document: BundleDocument) -> PublishedEntry:
        """Return the entry of a bundle in the catalogue of this remote."""

    def put_bundle(self, document: BundleDocument) -> None:
        """Write the document of a bundle, whose blobs are all there."""

    def lacking(self, blobs: Iterable[Blob]) -> set[Blob]:
        """Return those of some blobs that the remote does not hold; asks for several at once."""

    def renew(self, blobs: Iterable[Blob]) -> None:
        """Set the age of blobs that the remote holds to zero where they are old, so that no collection takes them."""

    def send(self, blob: Blob, source: Source) -> None:
        """Store a blob: whole and with the digest of its name, or not at all.

        Raises:
            IntegrityError: the source gives other bytes.
        """

    def put_archive(self, archive: ArchiveRecord, source: Source) -> None:
        """Write an archive of a whole bundle, in place of an earlier one.

        Raises:
            IntegrityError: the source gives other bytes.
        """

    def stored(self) -> Iterator[Stored]:
        """List all blobs, documents, archives, pages and metadata that gets old; other files there are passed over.

        Archives that the scripts of an installer name are not listed.
        """

    def remove(self, stored: Stored, *, younger_than: float | None = None) -> bool:
        """Remove one of these, unless it was renewed meanwhile.

        Args:
            younger_than: an age in seconds; what is younger now stays.

        Returns:
            Whether it is gone.
        """
