"""The entry of one bundle in the catalogue: plain values, the same for the same inputs, so without any time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bundle.base.files import canonical_json, sha256_of
from bundle.model import manifest
from bundle.model.manifest import Conflict, LayerRecord, Manifest, PythonRecord, SkippedRecord
from bundle.model.records import from_json, to_json

if TYPE_CHECKING:
    from bundle.artifacts.archives.bundle_archive import PackedArchive
    from bundle.artifacts.store.layers import Layer


@dataclass(frozen=True, kw_only=True)
class ArchiveRecord:
    """One archive of the bundle."""

    format: str
    path: str
    """Relative to the catalogue's root folder, with `/`."""
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class DocumentRecord:
    """One document beside the archives: the bill of materials, or the provenance."""

    kind: str
    path: str
    """Relative to the catalogue's root folder, with `/`."""
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PackageRecord:
    """One package of the bundle, and the reason for its form."""

    name: str
    version: str
    decision: Literal["wheel", "source"]
    reason: str
    file: str
    """Name of the wheel or source archive that the lock chose, or the commit."""
    sha256: str
    required_by: tuple[str, ...]
    """Names of the packages that need it; empty text means the configuration."""

    @classmethod
    def of(cls, package: manifest.PackageRecord) -> PackageRecord:
        """Return the catalogue's record of a package in a manifest."""
        return cls(
            name=package.name,
            version=package.version,
            decision=package.decision,
            reason=package.reason,
            file=package.file or f"commit {package.commit}",
            sha256=package.sha256,
            required_by=package.required_by,
        )


@dataclass(frozen=True, kw_only=True)
class SetRecord:
    """One set of packages of the bundle (`packages.sets`)."""

    packages: tuple[PackageRecord, ...]
    skipped: tuple[SkippedRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The checks that a bundle passed when it was built, by name; none in entries of earlier versions."""

    audited: tuple[str, ...] = ()
    """Those that read it."""
    run: tuple[str, ...] = ()
    """Those that ran its programs, on a machine of its platform."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One bundle."""

    version: str
    platform: str
    path: str
    """The bundle's folder, relative to the catalogue's root folder, with `/`."""
    digest: str
    """SHA-256 of the whole content of the bundle; see `bundle_digest`."""
    size: int
    """Bytes of all its files together."""
    python: PythonRecord
    archives: tuple[ArchiveRecord, ...]
    layers: tuple[LayerRecord, ...]
    packages: tuple[PackageRecord, ...]
    skipped: tuple[SkippedRecord, ...]
    conflicts: tuple[Conflict, ...]
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all of it runs on, measured, such as `{"glibc": "2.28"}`; empty where nothing tells."""
    manifest: str = ""
    """SHA-256 of its `bundle.json`; empty in entries of earlier versions."""
    files: str = ""
    """SHA-256 of the list of its files, which `bundle.json` names as well."""
    sets: Mapping[str, SetRecord] = field(default_factory=dict)
    """The sets of packages beside `packages`, by name."""
    documents: tuple[DocumentRecord, ...] = ()
    """Empty in entries of earlier versions."""
    evidence: Evidence = Evidence()

    @property
    def groups(self) -> dict[str, SetRecord]:
        """The packages and all sets, by name; those of `packages` under the empty one."""
        return {"": SetRecord(packages=self.packages, skipped=self.skipped), **self.sets}

    @property
    def package_count(self) -> int:
        """The number of packages in the bundle and in its sets."""
        return len(self.packages) + sum(len(one.packages) for one in self.sets.values())

    @property
    def files_beside(self) -> tuple[ArchiveRecord | DocumentRecord, ...]:
        """The archives and documents."""
        return (*self.archives, *self.documents)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of the catalogue's file."""
        value: dict[str, Any] = to_json(self)
        if not self.sets:
            del value["sets"]
        return value

    @classmethod
    def from_json(cls, value: Any) -> Entry:
        """Read the JSON value of the catalogue's file.

        Raises:
            MalformedError: it has another shape; the text names the place.
        """
        return from_json(cls, value)


def entry_of(
    bundle: Manifest,
    layers: Sequence[Layer],
    archives: Sequence[PackedArchive],
    *,
    documents: Mapping[str, Path] | None = None,
    evidence: Evidence = Evidence(),
    folder: Path,
    root: Path,
) -> Entry:
    """Return the entry of a bundle that was built.

    Args:
        layers: all of them, in order.
        documents: those beside the archives, by kind.
        root: the folder that paths in the catalogue are relative to.
    """
    return Entry(
        version=bundle.version,
        platform=bundle.platform,
        path=_relative(folder, root),
        digest=bundle_digest(layers),
        size=sum(layer.size for layer in layers),
        python=bundle.python,
        archives=tuple(
            ArchiveRecord(
                format=archive.path.name.removeprefix(f"{bundle.version}-{bundle.platform}."),
                path=_relative(archive.path, root),
                sha256=archive.sha256,
                size=archive.size,
            )
            for archive in archives
        ),
        layers=tuple(layer_record(layer) for layer in layers),
        packages=tuple(map(PackageRecord.of, bundle.packages)),
        skipped=bundle.skipped,
        conflicts=bundle.conflicts,
        floor=bundle.floor,
        manifest=manifest_hash(layers),
        files=bundle.files,
        sets={
            name: SetRecord(packages=tuple(map(PackageRecord.of, one.packages)), skipped=one.skipped)
            for name, one in bundle.sets.items()
        },
        documents=tuple(_document(kind, path, root) for kind, path in sorted((documents or {}).items())),
        evidence=evidence,
    )


def layer_record(layer: Layer) -> LayerRecord:
    """Return the record of a layer in manifest and catalogue."""
    return LayerRecord(digest=layer.digest, kind=layer.kind, name=layer.name, version=layer.version, size=layer.size)


class _Digested(Protocol):
    @property
    def digest(self) -> str: ...


def bundle_digest(layers: Iterable[_Digested]) -> str:
    """Return the SHA-256 of a bundle's content: over its layers' digests, in order."""
    return hashlib.sha256(canonical_json([layer.digest for layer in layers])).hexdigest()


def manifest_hash(layers: Sequence[Layer]) -> str:
    """Return the SHA-256 of the `bundle.json` that is in the last of a bundle's layers; empty if it is in none."""
    documents = layers[-1].entries if layers else ()
    return next((entry.sha256 or "" for entry in documents if entry.path == manifest.MANIFEST), "")


def _document(kind: str, path: Path, root: Path) -> DocumentRecord:
    return DocumentRecord(kind=kind, path=_relative(path, root), sha256=sha256_of(path), size=path.stat().st_size)


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
