"""Remotes that hold files: the layout, the same in a folder, in an object store and behind a web server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import zstandard

from bundle.artifacts.catalogue_entry import ArchiveRecord
from bundle.artifacts.documents.page.site import FOLDER, bundle_of
from bundle.artifacts.remotes.published import (
    ARCHIVE,
    LARGEST_CATALOGUE,
    LARGEST_DOCUMENT,
    Blob,
    BundleDocument,
    PublishedCatalogue,
    PublishedEntry,
    require_digest,
)
from bundle.artifacts.remotes.remote import MissingBlobError, Source, Stored, Token
from bundle.base.errors import IntegrityError
from bundle.base.threads import all_of, in_parallel

CATALOGUE = "catalogue.json"

INSTALLERS = ("install.sh", "install.ps1")
"""Scripts that name archives by their SHA-256."""

TRUST = "trust"
"""The folder of the signed metadata."""

TIMESTAMP = "timestamp.json"
"""The only file of the signed metadata that is replaced; it leads to the others."""

_AT_ONCE = 16
"""Questions to a remote at the same time."""

_RENEWED = 3600.0
"""Seconds; a younger blob is safe from any collection with a longer grace period."""

_LARGEST_SCRIPT = 2**16

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_METADATA = re.compile(TRUST + r"/([0-9]+\.(?:snapshot|targets)\.json|[0-9a-f]{64}\.catalogue\.json)")
"""Metadata that later one supersedes; clients need all versions of the root."""
_DOCUMENT = re.compile(r"bundles/[^/]+/[^/]+/([0-9a-f]{64})\.json(?:\.zst)?")

_PACKED, _LEVEL = ".zst", 19
"""The suffix of compressed documents, and how well they are compressed."""

_REPAIR = "Do not install from there; `bundle publish --repair` replaces it."

_OVERHEAD = 2**10
"""Bytes that compression may add."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One file as a listing finds it."""

    path: str
    size: int
    age: float
    """Seconds since it was written or touched."""


class ReadableFiles(Protocol):
    """Files at an address; their paths are relative, with `/`."""

    @property
    def url(self) -> str:
        """The address, without credentials."""

    def get(self, path: str, most: int) -> tuple[bytes, str] | None:
        """Return a small file and the token of its state, None if it is not there.

        Raises:
            IntegrityError: it has more than `most` bytes.
        """

    def parts(self, path: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a file, at most `length` bytes.

        Raises:
            MissingBlobError: there is no such file.
        """


class Files(ReadableFiles, Protocol):
    """Files that can be written."""

    def find(self, path: str) -> Found | None:
        """Return the size and the age of a file, None if it is not there."""

    def touch(self, path: str) -> None:
        """Set the age of a file to zero."""

    def put(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Write a file of a known size; it appears when the last chunk was taken, and not if one raises."""

    def replace(self, path: str, content: bytes, token: Token) -> None:
        """Write a file if its state is still the token's; None stands for its absence.

        Raises:
            CatalogueChangedError: it is not.
        """

    def below(self, folder: str) -> Iterator[Found]:
        """List the files below a folder."""

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""


class ReadableFileRemote:
    """A remote that holds files; see `docs/publishing.md` for the layout.

    Args:
        files: where they are.
    """

    def __init__(self, files: ReadableFiles) -> None:
        self.files = files

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self.files.url

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        """Return the catalogue and its token; see `Remote`."""
        found = self.files.get(CATALOGUE, LARGEST_CATALOGUE)
        if found is None:
            return PublishedCatalogue(), None
        content, token = found
        return PublishedCatalogue.from_bytes(content, self._name(CATALOGUE)), token

    def metadata(self, name: str, most: int) -> tuple[bytes, Token] | None:
        """Return a file of the signed metadata; see `Remote`."""
        return self.files.get(f"{TRUST}/{name}", most)

    def bundle(self, entry: PublishedEntry) -> BundleDocument:
        """Return the document of a bundle; see `Remote`."""
        path, content = self._document(entry)
        if content is None:
            raise MissingBlobError(f"{self._name(path)} is missing, which the catalogue names.")
        if Blob.of(content) != entry.document:
            raise IntegrityError(
                f"{self._name(path)} is not the document that the catalogue names.",
                cause="It was changed, or cut short.",
                remedy=_REPAIR,
            )
        document = BundleDocument.from_bytes(content, self._name(path))
        # Its hash is right, and written again by another version of this program it may have another.
        if replace(PublishedEntry.of(document), document=entry.document, image=entry.image) != entry:
            raise IntegrityError(f"{self._name(path)} describes another bundle than the catalogue says.")
        return document

    def _document(self, entry: PublishedEntry) -> tuple[str, bytes | None]:
        """Return path and content of a document, unverified; None if it is not there.

        It is stored compressed, which halves what an upgrade moves beside layers; earlier versions stored it as it is.
        """
        path, size = _document_path(entry), min(entry.document.size, LARGEST_DOCUMENT)
        if packed := self.files.get(f"{path}{_PACKED}", size + _OVERHEAD):
            return f"{path}{_PACKED}", unpacked(packed[0], size)
        plain = self.files.get(path, size)
        return path, None if plain is None else plain[0]

    def page_file(self, path: str) -> bytes | None:
        """Return a file of the page for people, None if it is not there.

        Raises:
            IntegrityError: it is too large.
        """
        found = self.files.get(path, LARGEST_CATALOGUE)
        return None if found is None else found[0]

    def read(self, blob: Blob, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a blob; see `Remote`."""
        wanted = blob.size - first if length is None else length
        left = wanted
        for chunk in self.files.parts(_blob_path(blob), first, wanted) if wanted else ():
            taken = chunk[:left]
            left -= len(taken)
            yield taken
            if not left:
                break
        if left:
            raise IntegrityError(
                f"{self._name(_blob_path(blob))} has fewer bytes than its document says.",
                cause="It was changed, or cut short.",
                remedy=_REPAIR,
            )

    def _name(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{path}"


class FileRemote(ReadableFileRemote):
    """A remote that holds files which can be written.

    Args:
        files: where they are.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._files = files

    def replace_catalogue(self, catalogue: PublishedCatalogue, token: Token) -> None:
        """Write the catalogue if it is still the token's; see `Remote`."""
        self._files.replace(CATALOGUE, catalogue.to_bytes(), token)

    def put_metadata(self, files: Mapping[str, bytes], token: Token) -> None:
        """Write signed metadata; see `Remote`."""
        for name in sorted(files, key=lambda name: name == TIMESTAMP):
            path, content = f"{TRUST}/{name}", files[name]
            if name.endswith(f".{CATALOGUE}"):
                # Another publisher may have sent the same; what is sent again is young for a collection.
                self._files.put(path, [content], len(content))
            else:
                self._files.replace(path, content, token if name == TIMESTAMP else None)

    def entry_of(self, document: BundleDocument) -> PublishedEntry:
        """Return the entry of a bundle; see `Remote`."""
        return PublishedEntry.of(document)

    def put_bundle(self, document: BundleDocument) -> None:
        """Write the document of a bundle; see `Remote`."""
        content = zstandard.compress(document.to_bytes(), _LEVEL)
        self._files.put(f"{_document_path(PublishedEntry.of(document))}{_PACKED}", [content], len(content))

    def lacking(self, blobs: Iterable[Blob]) -> set[Blob]:
        """Return the blobs that are not there, or not with their size; see `Remote`."""
        asked = list(dict.fromkeys(blobs))
        found = self._find(asked)
        return {blob for blob, one in zip(asked, found, strict=True) if one is None or one.size != blob.size}

    def renew(self, blobs: Iterable[Blob]) -> None:
        """Set the age of old blobs to zero; see `Remote`."""
        old = [found.path for found in self._find(list(blobs)) if found and found.age > _RENEWED]
        all_of(in_parallel(self._files.touch, old, threads=_AT_ONCE))

    def send(self, blob: Blob, source: Source) -> None:
        """Store a blob; see `Remote`."""
        self._files.put(_blob_path(blob), checked(source(), blob), blob.size)

    def put_archive(self, archive: ArchiveRecord, source: Source) -> None:
        """Write an archive; see `Remote`."""
        self._files.put(archive.path, checked(source(), Blob(sha256=archive.sha256, size=archive.size)), archive.size)

    def put_installer(self, scripts: Mapping[str, bytes], archives: Mapping[ArchiveRecord, Source]) -> int:
        """Write scripts beside the catalogue, after the archives that they name by their SHA-256.

        Returns:
            The bytes of the archives that were not there.

        Raises:
            IntegrityError: a source gives other bytes.
        """
        sent = 0
        for archive, source in archives.items():
            found = self._files.find(archive.path)
            if found is None or found.size != archive.size:
                self.put_archive(archive, source)
                sent += archive.size
            else:
                self._files.touch(archive.path)
        self.replace_installer(scripts)
        for archive, source in archives.items():
            # A collection that read the former scripts may have removed it meanwhile.
            if self._files.find(archive.path) is None:
                self.put_archive(archive, source)
        return sent

    def installer(self) -> dict[str, bytes]:
        """Return the scripts of the installer that are there, by their names."""
        found = {name: self._files.get(name, _LARGEST_SCRIPT) for name in INSTALLERS}
        return {name: one[0] for name, one in found.items() if one}

    def replace_installer(self, scripts: Mapping[str, bytes | None]) -> None:
        """Write scripts of the installer, or remove them where there is None."""
        for name, content in scripts.items():
            if content is None:
                self._files.remove(name)
            else:
                self._files.put(name, [content], len(content))

    def put_page_file(self, path: str, content: bytes) -> None:
        """Write a file of the page for people."""
        self._files.put(path, [content], len(content))

    def pages(self) -> Iterator[Stored]:
        """List the files about one bundle that the page for people has."""
        for found in self._files.below(FOLDER):
            if bundle := bundle_of(found.path):
                yield Stored(kind="page", name="/".join(bundle), size=found.size, age=found.age, place=found.path)

    def stored(self) -> Iterator[Stored]:
        """List all blobs, documents, archives, pages of bundles and metadata that gets old; see `Remote`."""
        for found in self._files.below("blobs"):
            if match := _BLOB.fullmatch(found.path):
                yield Stored(kind="blob", name=match[2], size=found.size, age=found.age, place=found.path)
        for found in self._files.below("bundles"):
            if match := _DOCUMENT.fullmatch(found.path):
                yield Stored(kind="document", name=match[1], size=found.size, age=found.age, place=found.path)
        scripts = self.installer().values()
        installers = {digest for script in scripts for digest in _DIGEST.findall(script.decode("latin-1"))}
        for found in self._files.below("archives"):
            if ARCHIVE.fullmatch(found.path) and not installers.intersection(_DIGEST.findall(found.path)):
                yield Stored(kind="archive", name=found.path, size=found.size, age=found.age, place=found.path)
        yield from self.pages()

        for found in self._files.below(TRUST):
            if match := _METADATA.fullmatch(found.path):
                yield Stored(kind="metadata", name=match[1], size=found.size, age=found.age, place=found.path)

    def remove(self, stored: Stored, *, younger_than: float | None = None) -> bool:
        """Remove one of these; see `Remote`."""
        found = self._files.find(stored.place)
        if found is not None and younger_than is not None and found.age < younger_than:
            return False
        self._files.remove(stored.place)
        return True

    def _find(self, blobs: list[Blob]) -> list[Found | None]:
        return all_of(in_parallel(lambda blob: self._files.find(_blob_path(blob)), blobs, threads=_AT_ONCE))


def unpacked(content: bytes, size: int) -> bytes:
    """Return a compressed document of a known size; other bytes if it has another size or is damaged."""
    try:
        # The size in the frame decides what memory is taken.
        if zstandard.get_frame_parameters(content).content_size == size:
            return zstandard.ZstdDecompressor().decompress(content, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        pass
    return b""


def _blob_path(blob: Blob) -> str:
    digest = require_digest(blob.sha256, "The name of a blob")
    return f"blobs/sha256/{digest[:2]}/{digest}"


def _document_path(entry: PublishedEntry) -> str:
    return f"bundles/{entry.version}/{entry.platform}/{entry.document.sha256}.json"


def checked(chunks: Iterable[bytes], blob: Blob) -> Iterator[bytes]:
    """Pass on the bytes of a blob; raise IntegrityError before the last ones if they are others."""
    digest, size, held = sha256(), 0, b""
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if held:
            yield held
        held = chunk
    if (digest.hexdigest(), size) != (blob.sha256, blob.size):
        raise IntegrityError(
            "The bytes of a layer changed while they were sent.",
            cause="The archive was replaced meanwhile, or the disk is failing.",
            remedy="Build the bundle again, then publish it again.",
        )
    yield held
