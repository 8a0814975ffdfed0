"""The documents of a registry (OCI image specification): images and indexes of bundles, artifacts of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedEntry
from bundle.base.files import canonical_json
from bundle.model.platforms import PLATFORMS, System

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"
"""The configuration of an artifact that needs none."""

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
_NOTHING = "application/vnd.oci.empty.v1+json"
_TITLE = "org.opencontainers.image.title"

_SYSTEMS: Mapping[System, str] = {"linux": "linux", "macosx": "darwin", "windows": "windows"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Go's names, which the specification prescribes."""

Json = dict[str, Any]


def platform_of(key: str) -> Json:
    """Return the platform of a bundle as images name it."""
    platform = PLATFORMS[key]
    return {"architecture": _MACHINES[platform.machine], "os": _SYSTEMS[platform.system]}


def config_of(document: BundleDocument, epoch: int) -> bytes:
    """Return the configuration of a bundle's image.

    Args:
        epoch: seconds since 1970 that stand for its creation.
    """
    return canonical_json(
        {
            **platform_of(document.entry.platform),
            "created": _moment(epoch),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in document.layers]},
        }
    )


def image_of(document: BundleDocument, epoch: int) -> bytes:
    """Return the manifest of a bundle's image, whose layers are the blobs of the bundle."""
    entry = PublishedEntry.of(document)
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(_CONFIG, Blob.of(config_of(document, epoch))),
            "layers": [
                _descriptor(_LAYER, layer.blob) | {"annotations": {_TITLE: f"{layer.name} {layer.version}".strip()}}
                for layer in document.layers
            ],
            "annotations": {
                **_annotations(f"{entry.version} for {entry.platform}", entry.version, epoch),
                "bundle.document": f"sha256:{entry.document.sha256}",
            },
        }
    )


def index_of(version: str, images: Iterable[Json], epoch: int) -> bytes:
    """Return the index of a version.

    Args:
        images: their descriptors.
    """
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": list(images),
            "annotations": _annotations(version, version, epoch),
        }
    )


def artifact_of(kind: str, content: Blob | None = None, annotations: Mapping[str, str] | None = None) -> bytes:
    """Return the manifest of an artifact that holds one JSON document, or none."""
    empty = _descriptor(_NOTHING, Blob.of(EMPTY))
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": f"application/vnd.bundle.{kind}.v1+json",
            "config": empty,
            "layers": [_descriptor(f"application/vnd.bundle.{kind}.v1+json", content) if content else empty],
            "annotations": dict(annotations or {}),
        }
    )


def image_descriptor(manifest: bytes, platform: str) -> Json:
    """Return what an index says of an image."""
    return _descriptor(MANIFEST, Blob.of(manifest)) | {"platform": platform_of(platform)}


def _descriptor(media_type: str, blob: Blob) -> Json:
    return {"mediaType": media_type, "digest": f"sha256:{blob.sha256}", "size": blob.size}


def _annotations(title: str, version: str, epoch: int) -> Json:
    prefix = "org.opencontainers.image"
    return {_TITLE: title, f"{prefix}.version": version, f"{prefix}.created": _moment(epoch)}


def _moment(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
