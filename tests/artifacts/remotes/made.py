"""Published bundles for tests, with blobs of a few bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.artifacts.catalogue_entry import bundle_digest
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedEntry, PublishedLayer
from bundle.artifacts.remotes.remote import Remote
from bundle.model.manifest import LayerRecord
from tests.artifacts.bundles import bundle


def layer(name: str, *frames: bytes) -> PublishedLayer:
    """A layer whose frames hold any bytes."""
    offsets = [sum(map(len, frames[:number])) for number in range(len(frames))]
    return PublishedLayer(
        digest=sha256(name.encode()).hexdigest(),
        kind="wheel",
        name=name,
        version="1.0",
        blob=Blob.of(b"".join(frames)),
        frames=tuple(
            IndexedFrame(offset=offset, length=len(frame), sha256=sha256(frame).hexdigest(), size=3 * len(frame))
            for offset, frame in zip(offsets, frames, strict=True)
        ),
    )


def document(
    version: str = "3.12.10", platform: str = "linux-x64", layers: Sequence[PublishedLayer] = ()
) -> BundleDocument:
    """The document of a bundle."""
    layers = layers or (layer("cpython", b"one", b"two"), layer(f"only {version} {platform}", b"three"))
    records = [LayerRecord(digest=one.digest, kind=one.kind, name=one.name, version="1.0", size=9) for one in layers]
    entry = replace(
        bundle(version, platform), path="", archives=(), layers=tuple(records), digest=bundle_digest(layers)
    )
    return BundleDocument(entry=entry, layers=tuple(layers))


CONTENT: Mapping[Blob, bytes] = {Blob.of(content): content for content in (b"onetwo", b"three")}
"""The blobs of `document`."""


def publish(remote: Remote, *documents: BundleDocument) -> tuple[PublishedEntry, ...]:
    """Put documents, their blobs and their entries into a remote."""
    for one in documents:
        for blob in one.blobs:
            remote.send(blob, partial(_chunks, CONTENT[blob]))
        remote.put_bundle(one)
    entries = tuple(map(remote.entry_of, documents))
    catalogue, token = remote.catalogue()
    remote.replace_catalogue(catalogue.with_entries(entries), token)
    return entries


def _chunks(content: bytes) -> list[bytes]:
    return [content]
