"""The bundles of a project that may be published: built, verified, and still what the catalogue says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bundle.artifacts.archives.bundle_archive import IndexedFrame, IndexedLayer, read_index
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import Entry
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedLayer
from bundle.artifacts.remotes.remote import Source
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.store import Store
from bundle.base.errors import BundleError, ConfigError, IntegrityError, VerificationError
from bundle.base.files import CHUNK, open_regular, sha256_of
from bundle.base.text import did_you_mean
from bundle.make.build_state import last_build
from bundle.model.config.project import Project
from bundle.model.manifest import MANIFEST
from bundle.model.platforms import PLATFORMS

_FORMAT = "tar.zst"
"""The format of archives whose frames are the blobs."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A bundle that may be published, and where its bytes are."""

    document: BundleDocument
    sources: Mapping[Blob, Source]
    archives: Mapping[str, Source] = field(default_factory=dict)
    """Where the bytes of the archives are, by the paths in the entry of the document."""

    @property
    def name(self) -> str:
        """Version and platform, as archives are named."""
        return f"{self.document.entry.version}-{self.document.entry.platform}"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A bundle that may not be published, and the reason."""

    version: str
    platform: str
    error: BundleError

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value of a report."""
        return {"version": self.version, "platform": self.platform, **self.error.as_json()}


def entries_of(project: Project, versions: Sequence[str], platforms: Sequence[str]) -> list[Entry]:
    """Return the catalogue's entries of some versions; see `entries_with_refused`.

    Raises:
        VerificationError: one was built, but is not in the catalogue, which holds verified bundles alone.
    """
    entries, refused = entries_with_refused(project, versions, platforms)
    for one in refused:
        raise one.error
    return entries


def entries_with_refused(
    project: Project, versions: Sequence[str], platforms: Sequence[str]
) -> tuple[list[Entry], list[Refused]]:
    """Return the catalogue's entries of some versions, and the bundles that were built and are not in it.

    Args:
        platforms: their keys; all that a version was built for if there are none, or `all`.

    Raises:
        ConfigError: a version, or a platform of it, was not built.
    """
    catalogue = Catalogue.load(project.catalogue)
    everywhere = not platforms or "all" in platforms
    found: list[Entry] = []
    refused: list[Refused] = []
    for version in dict.fromkeys(versions):
        built = [key for key in PLATFORMS if (project.output / version / key / MANIFEST).is_file()]
        known = [entry.platform for entry in catalogue.entries if entry.version == version]
        wanted = list(dict.fromkeys((*known, *built))) if everywhere else list(platforms)
        if not wanted:
            names = (*project.versions(), *catalogue.versions())
            raise _not_built(version, "" if version in names else did_you_mean(version, names))
        for platform in wanted:
            entry = catalogue.find(version, platform)
            if entry is not None:
                found.append(entry)
            elif platform in built:
                error = _unverified(f"{version}-{platform}", "It was built with --no-verify or --no-archive.")
                refused.append(Refused(version=version, platform=platform, error=error))
            else:
                raise _not_built(f"{version} for {platform}", "")
    return found, refused


def candidates_of(
    entries: Sequence[Entry], project: Project, store: Store, *, substitutes: bool, archives: bool = False
) -> tuple[list[Candidate], list[Refused]]:
    """Return those of some bundles that may be published, and the others; see `candidate_of`."""
    ready: list[Candidate] = []
    refused: list[Refused] = []
    for entry in entries:
        try:
            ready.append(candidate_of(entry, project, store, substitutes=substitutes, archives=archives))
        except (ConfigError, IntegrityError, VerificationError) as error:
            refused.append(Refused(version=entry.version, platform=entry.platform, error=error))
    return ready, refused


def candidate_of(
    entry: Entry, project: Project, store: Store, *, substitutes: bool, archives: bool = False
) -> Candidate:
    """Return a bundle as it is published, after its archive was read and compared with the catalogue.

    Args:
        store: has the compressed layers of bundles without a `.tar.zst`.
        substitutes: whether the interpreter may be another patch release than was asked for.
        archives: whether the archives of the whole bundle are published as well.

    Raises:
        ConfigError: its interpreter is a substitute, which is not allowed.
        VerificationError: it was built again since, and not verified.
        IntegrityError: its archive, or its layers, are not what the catalogue says.
    """
    name = f"{entry.version}-{entry.platform}"
    if entry.python.substituted and not substitutes:
        raise ConfigError(
            f"{name} holds Python {entry.python.actual}, not {entry.python.requested} which was asked for.",
            cause="No source had that release when the bundle was built (interpreter.substitute).",
            remedy="Build it where a source has the release, or publish it as it is with --allow-substitute.",
        )
    built = last_build(project.root / entry.path)
    if entry.manifest and built is not None and built.manifest not in ("", entry.manifest):
        raise _unverified(name, "It was built again since, with --no-verify or --no-archive.")
    archive = next((one for one in entry.archives if one.format == _FORMAT), None)
    if archive is not None:
        path = project.root / archive.path
        layers, sources, digest = _in_archive(path, name)
        _require(digest == archive.sha256, path, entry)
    else:
        layers, sources = _in_store(entry, store, _effort(project, entry), name)
    whole = {one.path: replace(one, path=f"archives/{name}.{one.format}") for one in entry.archives if archives}
    for local in whole:
        path = project.root / local
        _require(path.is_file() and sha256_of(path) == whole[local].sha256, path, entry)
    document = BundleDocument(
        entry=replace(entry, path="", archives=tuple(whole.values())),
        layers=tuple(layers),
        inputs=built.portable if built is not None and built.manifest == entry.manifest else {},
    )
    # The same checks as when it is read from a remote.
    BundleDocument.from_bytes(document.to_bytes(), name)
    places = {one.path: partial(part_of, project.root / local, 0, one.size) for local, one in whole.items()}
    return Candidate(document=document, sources=sources, archives=places)


def part_of(path: Path, offset: int, length: int) -> Iterator[bytes]:
    """Yield a part of a file, or as much of it as there is."""
    with open_regular(path) as file:
        file.seek(offset)
        while length and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


def _in_archive(path: Path, name: str) -> tuple[list[PublishedLayer], dict[Blob, Source], str]:
    """Return the layers of an archive, where their bytes are, and the SHA-256 of the whole."""
    try:
        index = read_index(path)
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"{path} is not there, so {name} cannot be published.",
            cause="`bundle clean` removed it, or it was built on another machine.",
            remedy="Build it again, which takes seconds if nothing has changed; or bring the archive back.",
        ) from error
    whole = sha256()
    layers: list[PublishedLayer] = []
    sources: dict[Blob, Source] = {}
    end = 0
    for layer in index:
        start, end = end, end + sum(frame.length for frame in layer.frames)
        own = sha256()
        for chunk in part_of(path, start, end - start):
            own.update(chunk)
            whole.update(chunk)
        blob = Blob(sha256=own.hexdigest(), size=end - start)
        layers.append(_published(layer, blob, start))
        sources[blob] = partial(part_of, path, start, blob.size)
    for chunk in part_of(path, end, size - end):
        whole.update(chunk)
    return layers, sources, whole.hexdigest()


def _published(layer: IndexedLayer, blob: Blob, start: int) -> PublishedLayer:
    frames = tuple(replace(frame, offset=frame.offset - start) for frame in layer.frames)
    return PublishedLayer(
        digest=layer.digest, kind=layer.kind, name=layer.name, version=layer.version, blob=blob, frames=frames
    )


def _in_store(entry: Entry, store: Store, effort: str, name: str) -> tuple[list[PublishedLayer], dict[Blob, Source]]:
    """Return the layers of a bundle that has no archive of frames, and where the store has their bytes."""
    found = [store.layer(record) for record in entry.layers]
    layers = [layer for layer in found if layer is not None]
    if len(layers) < len(found):
        raise ConfigError(
            f"{name} has no .{_FORMAT}, and the store no longer has all of its layers.",
            cause="`bundle cache prune` removed them, or it was built on another machine.",
            remedy=f'Build it again; `"{_FORMAT}"` among its build.archives makes it independent of the store.',
        )
    published: list[PublishedLayer] = []
    sources: dict[Blob, Source] = {}
    for layer, frames in zip(layers, store.frames(layers, Compression(format=_FORMAT, effort=effort)), strict=True):
        digest = sha256()
        for chunk in part_of(frames.path, 0, frames.length):
            digest.update(chunk)
        blob = Blob(sha256=digest.hexdigest(), size=frames.length)
        indexed: list[IndexedFrame] = []
        end = 0
        for frame in frames.frames:
            indexed.append(IndexedFrame(offset=end, length=frame.length, sha256=frame.sha256, size=frame.size))
            end += frame.length
        of_index = IndexedLayer(
            digest=layer.digest, kind=layer.kind, name=layer.name, version=layer.version, frames=tuple(indexed)
        )
        published.append(_published(of_index, blob, 0))
        sources[blob] = partial(part_of, frames.path, 0, blob.size)
    return published, sources


def _effort(project: Project, entry: Entry) -> str:
    """Return the compression of a version, the usual one if its configuration is gone."""
    try:
        return project.load(entry.version, {}).config.build.compression
    except BundleError:
        return "default"


def _require(fits: bool, path: Path, entry: Entry) -> None:
    if not fits:
        raise IntegrityError(
            f"{path} is not the archive that the catalogue names.",
            cause="It was changed, or replaced by another build.",
            remedy=f"Build it again: `bundle build {entry.version} --platform {entry.platform}`.",
        )


def _not_built(what: str, hint: str) -> ConfigError:
    return ConfigError(
        f"{what} is not built.{hint}",
        remedy="`bundle build VERSION` builds it; `bundle catalogue list` shows what is there.",
    )


def _unverified(name: str, cause: str) -> VerificationError:
    return VerificationError(
        f"{name} is not verified; only verified bundles are published.",
        cause=cause,
        remedy="Build it without these options, which verifies it and adds it to the catalogue.",
    )
