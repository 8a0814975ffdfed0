"""The values that a remote holds: its catalogue, and one document for each bundle that names the blobs of its layers.

Everything read here may come from a stranger: sizes are bounded, and every digest and name is checked before it can
become part of a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.artifacts.catalogue import natural_order
from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry, bundle_digest
from bundle.base.errors import ConfigError, IntegrityError, too_new
from bundle.base.files import canonical_json, pretty_json
from bundle.model.config.project import parse_version
from bundle.model.manifest import PythonRecord
from bundle.model.records import from_json, to_json

FORMAT = 3
"""The format of a remote, which its catalogue names: entries of 1 have no inputs, and documents of 3 are compressed."""

DOCUMENT_FORMAT = 2
"""The format of a bundle's document; those of 1 have no inputs."""

_Document = TypeVar("_Document")

LARGEST_CATALOGUE = LARGEST_DOCUMENT = 2**25
"""Bytes; a bundle of 200 packages has a document of 150 kB, and an entry of 1 kB in the catalogue."""

LARGEST_BLOB = 2**36
"""Bytes of one compressed layer."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INPUT = re.compile(r"[a-z]{1,40}")
_PLATFORM = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
ARCHIVE = re.compile(r"archives/[0-9A-Za-z][0-9A-Za-z._-]{0,200}")


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that a remote holds under their digest."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> Blob:
        """Return the name of some bytes."""
        return cls(sha256=sha256(content).hexdigest(), size=len(content))


@dataclass(frozen=True, kw_only=True)
class PublishedLayer:
    """One layer of a bundle, and the blob with its zstd frames."""

    digest: str
    """SHA-256 of its uncompressed tar entries."""
    kind: str
    name: str
    version: str
    blob: Blob
    frames: tuple[IndexedFrame, ...]
    """One after the other in the blob, which they fill; `offset` is the place in the blob."""

    @property
    def unpacked(self) -> int:
        """Bytes of all its tar entries, uncompressed."""
        return sum(frame.size for frame in self.frames)


@dataclass(frozen=True, kw_only=True)
class BundleDocument:
    """One published bundle: its entry in the catalogue of the project that built it, and its layers."""

    format: int = DOCUMENT_FORMAT
    entry: Entry
    """Its `path` is empty, and its `archives` are relative to the remote."""
    layers: tuple[PublishedLayer, ...]
    """In lock order."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """A digest of everything that the bundle was made from, by what it is; see `bundle.make.portable_inputs`."""

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The blobs of its layers, each once."""
        return tuple(dict.fromkeys(layer.blob for layer in self.layers))

    def to_bytes(self) -> bytes:
        """Return the content of the document's file."""
        value: dict[str, Any] = to_json(self)
        if not self.inputs:
            del value["inputs"]  # So that documents of the earlier format keep their bytes.
        return canonical_json(value)

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> BundleDocument:
        """Read a document's file.

        Args:
            name: of the file, for messages.

        Raises:
            IntegrityError: it is none, or contradicts itself.
        """
        document = _read(cls, "format", DOCUMENT_FORMAT, content, name)
        inputs = _problems_of_inputs(document.inputs)
        _refuse(name, (*_problems_of_names(document.entry), *inputs, *_problems_of_layers(document)))
        return document


@dataclass(frozen=True, kw_only=True)
class PublishedEntry:
    """One bundle as the remote's catalogue lists it."""

    version: str
    platform: str
    digest: str
    """SHA-256 of the whole content of the bundle."""
    size: int
    """Bytes of all its files together."""
    compressed: int
    """Bytes of all its blobs together."""
    python: PythonRecord
    packages: int
    """Their number."""
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that it runs on, such as `{"glibc": "2.28"}`."""
    archives: tuple[ArchiveRecord, ...] = ()
    """Relative to the remote."""
    document: Blob
    """The bundle's document."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Those of the document, so that the catalogue alone tells which bundles are up to date."""
    image: str = ""
    """SHA-256 of the manifest of its image, in a container registry alone."""

    @classmethod
    def of(cls, document: BundleDocument) -> PublishedEntry:
        """Return the entry of a bundle."""
        entry = document.entry
        return cls(
            version=entry.version,
            platform=entry.platform,
            digest=entry.digest,
            size=entry.size,
            compressed=sum(blob.size for blob in document.blobs),
            python=entry.python,
            packages=entry.package_count,
            floor=entry.floor,
            archives=entry.archives,
            document=Blob.of(document.to_bytes()),
            inputs=document.inputs,
        )

    @property
    def name(self) -> tuple[str, str]:
        """Version and platform, which no other entry of a catalogue has."""
        return self.version, self.platform


@dataclass(frozen=True, kw_only=True)
class PublishedCatalogue:
    """The catalogue of a remote."""

    published: int = FORMAT
    """The format; its name tells this catalogue from that of a project, which may lie at the same place."""
    bundles: tuple[PublishedEntry, ...] = ()
    """Sorted by version and platform."""

    def find(self, version: str, platform: str) -> PublishedEntry | None:
        """Return the bundle of a version on a platform, by its key, or None."""
        return next((entry for entry in self.bundles if entry.name == (version, platform)), None)

    def versions(self) -> list[str]:
        """Return the names of the versions that have a bundle, in order."""
        return list(dict.fromkeys(entry.version for entry in self.bundles))

    def with_entries(self, entries: Iterable[PublishedEntry]) -> PublishedCatalogue:
        """Return a catalogue with some bundles added, or replaced where it has that version and platform."""
        merged = {entry.name: entry for entry in (*self.bundles, *entries)}
        ordered = sorted(merged.values(), key=lambda entry: (natural_order(entry.version), entry.platform))
        return replace(self, bundles=tuple(ordered))

    def without(self, version: str, platforms: Collection[str]) -> PublishedCatalogue:
        """Return a catalogue without the bundles of a version on some platforms."""
        kept = (one for one in self.bundles if one.version != version or one.platform not in platforms)
        return replace(self, bundles=tuple(kept))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of the file."""
        value: dict[str, Any] = to_json(self)
        return value

    def to_bytes(self) -> bytes:
        """Return the content of the catalogue's file."""
        return pretty_json(self.to_json()).encode()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> PublishedCatalogue:
        """Read a catalogue's file.

        Args:
            name: of the file, for messages.

        Raises:
            IntegrityError: it is none.
        """
        catalogue = _read(cls, "published", FORMAT, content, name)
        problems = [problem for entry in catalogue.bundles for problem in _problems_of_names(entry)]
        if len({entry.name for entry in catalogue.bundles}) < len(catalogue.bundles):
            problems.append("it names a bundle twice")
        _refuse(name, problems)
        return replace(catalogue, published=FORMAT).with_entries(())


def require_digest(digest: str, name: str) -> str:
    """Return a SHA-256 as it came, if it is one.

    Raises:
        IntegrityError: it is none.
    """
    _refuse(name, () if _SHA256.fullmatch(digest) else (f"{digest!r:.80} is no SHA-256",))
    return digest


def _read(kind: type[_Document], key: str, newest: int, content: bytes, name: str) -> _Document:
    """Read a JSON document whose format, a number from 1 to the newest, is under a key."""
    problem = f"{key!r} is no number of a format: it is something else"
    try:
        value = json.loads(content)
        found = value.get(key) if isinstance(value, dict) else None
        if type(found) is int and found > 0:
            if found > newest:
                raise too_new(name, found, newest)
            return from_json(kind, value, lenient=True)
    except (ValueError, RecursionError) as error:
        problem = str(error) or type(error).__name__
    raise _unusable(name, [problem])


def _problems_of_names(entry: Entry | PublishedEntry) -> Iterable[str]:
    try:
        parse_version(entry.version)
    except ConfigError:
        yield f"{entry.version!r:.80} is no version"
    if len(entry.version) > 128 or len(entry.platform) > 64 or not _PLATFORM.fullmatch(entry.platform):
        yield f"{entry.platform!r:.80} is no platform"
    digests = [entry.digest, *(archive.sha256 for archive in entry.archives)]
    numbers = [entry.size, *(archive.size for archive in entry.archives)]
    if isinstance(entry, PublishedEntry):
        digests += [entry.document.sha256, *filter(None, [entry.image])]
        numbers += (entry.compressed, entry.packages)
        if not 0 < entry.document.size <= LARGEST_DOCUMENT:
            yield f"a document of {entry.document.size} bytes"
        yield from _problems_of_inputs(entry.inputs)
    for archive in entry.archives:
        if not ARCHIVE.fullmatch(archive.path):
            yield f"{archive.path!r:.80} is no path of an archive"
    yield from (f"{digest!r:.80} is no SHA-256" for digest in digests if not _SHA256.fullmatch(digest))
    yield from (f"{number} is no size" for number in numbers if not 0 <= number < 2**53)


def _problems_of_inputs(inputs: Mapping[str, str]) -> Iterable[str]:
    for what, digest in inputs.items():
        if not (_INPUT.fullmatch(what) and _SHA256.fullmatch(digest)):
            yield f"{what!r:.80} is no digest of an input"


def _problems_of_layers(document: BundleDocument) -> Iterable[str]:
    if [layer.digest for layer in document.layers] != [layer.digest for layer in document.entry.layers]:
        yield "its layers are not those of its entry"
    if bundle_digest(document.layers) != document.entry.digest:
        yield "its layers do not give its digest"
    for layer in document.layers:
        digests = (layer.digest, layer.blob.sha256, *(frame.sha256 for frame in layer.frames))
        yield from (f"{digest!r:.80} is no SHA-256" for digest in digests if not _SHA256.fullmatch(digest))
        end = 0
        for frame in layer.frames:
            if frame.offset != end or frame.length < 1 or not 0 < frame.size < 2**53:
                yield f"no frame of {layer.name!r:.80} can be at {frame.offset}"
                break
            end += frame.length
        if end != layer.blob.size or not 0 < end <= LARGEST_BLOB:
            yield f"the frames of {layer.name!r:.80} do not fill its blob"


def _refuse(name: str, problems: Iterable[str]) -> None:
    if shown := list(dict.fromkeys(problems))[:10]:
        raise _unusable(name, shown)


def _unusable(name: str, problems: Iterable[str]) -> IntegrityError:
    return IntegrityError(
        f"{name} cannot be used.",
        cause="It was changed, or another program wrote it.",
        remedy="Restore it from a copy, or remove it and publish all bundles again.",
        details=problems,
    )
