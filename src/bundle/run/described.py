"""Descriptions of bundles: of those that a project has built, and of those that a source has."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import IndexedLayer, open_layer, read_index
from bundle.artifacts.catalogue_entry import Entry
from bundle.artifacts.described import LARGEST_DOCUMENT, Described, documents_in_layer
from bundle.artifacts.documents.names import SBOM
from bundle.base.errors import IntegrityError
from bundle.base.files import read_regular
from bundle.model.manifest import MANIFEST
from bundle.run.install.source import Offer, Source


def describe_built(entry: Entry, root: Path) -> Described:
    """Return the description of a bundle that was built, by what is left of archives, documents and folder.

    Args:
        root: the folder that paths in the catalogue are relative to.
    """
    archive = next((root / one.path for one in entry.archives if one.format == "tar.zst"), None)
    layers = _layers(archive, entry) if archive else []
    documents = _in_folder(root / entry.path, entry)
    if not documents and archive and layers:
        documents = _in_archive(archive, layers[-1])
    return Described.by(entry, compressed_sizes(layers), {**documents, **_beside(entry, root)})


def describe_offered(source: Source, offer: Offer) -> Described:
    """Return the description of a bundle at a source.

    Raises:
        NetworkError: the source does not answer.
        IntegrityError: what it has contradicts its catalogue.
    """
    contents = source.contents(offer)
    documents: dict[str, bytes] = {}
    if contents.layers and (own := contents.layers[-1]).record.kind == "manifest" and own.length <= LARGEST_DOCUMENT:
        content = source.read(own.container, own.first, own.length)
        documents = documents_in_layer(content, own.frames, own.record.digest)
    compressed = {layer.record.digest: layer.length for layer in contents.layers}
    return Described.by(contents.entry, compressed, documents)


def compressed_sizes(layers: list[IndexedLayer]) -> dict[str, int]:
    """Return the compressed bytes of layers, by digest."""
    return {layer.digest: sum(frame.length for frame in layer.frames) for layer in layers}


def _layers(archive: Path, entry: Entry) -> list[IndexedLayer]:
    """Return the layers in the index of an entry's archive; none if it is another's or gone."""
    try:
        layers = read_index(archive)
    except (OSError, ValueError, IntegrityError):
        return []
    return layers if [one.digest for one in layers] == [one.digest for one in entry.layers] else []


def _in_folder(folder: Path, entry: Entry) -> dict[str, bytes]:
    """Return the documents in a bundle's folder; none if it holds another bundle."""
    found = {name: content for name in (MANIFEST, SBOM) if (content := _content(folder / name)) is not None}
    return found if _sha256(found.get(MANIFEST, b"")) == entry.manifest else {}


def _in_archive(archive: Path, own: IndexedLayer) -> dict[str, bytes]:
    try:
        with open_layer(archive, own) as file:
            return documents_in_layer(file.read(LARGEST_DOCUMENT), own.frames, own.digest)
    except (OSError, IntegrityError):
        return {}


def _beside(entry: Entry, root: Path) -> Mapping[str, bytes]:
    """Return the bill of materials beside the archives, if it is the one that the entry names."""
    for document in entry.documents:
        if document.kind == "sbom" and (content := _content(root / document.path)) is not None:
            return {SBOM: content} if _sha256(content) == document.sha256 else {}
    return {}


def _content(path: Path) -> bytes | None:
    try:
        return read_regular(path, most=LARGEST_DOCUMENT)
    except (OSError, ValueError):
        return None


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()
