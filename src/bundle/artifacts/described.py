"""A bundle with what its catalogue, its manifest and its bill of materials tell together."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.artifacts.catalogue_entry import Entry
from bundle.artifacts.documents.licences import licences_in
from bundle.artifacts.documents.names import SBOM
from bundle.artifacts.store.layers import Entry as FileEntry
from bundle.artifacts.store.unpacking import unpack
from bundle.model.manifest import MANIFEST, Manifest

LARGEST_DOCUMENT = 2**26
"""Bytes of a document, and of the layer that holds it."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """One bundle; None stands for what cannot be read."""

    entry: Entry
    compressed: Mapping[str, int]
    """Compressed bytes of its layers, by digest; empty if nothing tells."""
    licences: Mapping[str, tuple[str, ...]] | None = None
    """Licences by the name of their component."""
    manifest: Manifest | None = None

    @classmethod
    def by(cls, entry: Entry, compressed: Mapping[str, int], documents: Mapping[str, bytes]) -> Described:
        """Return the description by the documents in the bundle.

        Args:
            documents: content by file name, as far as there is any.
        """
        sbom = documents.get(SBOM)
        return cls(
            entry=entry,
            compressed=compressed,
            licences=None if sbom is None else licences_in(sbom),
            manifest=_manifest(documents.get(MANIFEST)),
        )


def documents_in_layer(content: bytes, frames: Sequence[IndexedFrame], digest: str) -> dict[str, bytes]:
    """Return manifest and bill of materials by file name, from the layer of a bundle's documents.

    Args:
        content: the layer's frames.

    Raises:
        IntegrityError: they are not the layer of that digest.
    """
    found: dict[str, bytes] = {}

    def put(entry: FileEntry, chunks: Iterator[bytes], epoch: int) -> None:  # noqa: ARG001 - the reader's signature
        if entry.path in (SBOM, MANIFEST) and entry.size <= LARGEST_DOCUMENT:
            found[entry.path] = b"".join(chunks)

    unpack(io.BytesIO(content), frames, digest, put, name="with the documents of a bundle")
    return found


def _manifest(content: bytes | None) -> Manifest | None:
    try:
        return None if content is None else Manifest.from_json(json.loads(content))
    except (ValueError, RecursionError):
        return None
