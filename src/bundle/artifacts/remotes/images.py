"""The documents of a registry (OCI image specification): images and indexes of bundles, artifacts of documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from bundle.artifacts.python_variables import MISLEADING
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedEntry
from bundle.artifacts.remotes.remote import Source
from bundle.artifacts.store.layers import TOP
from bundle.base.files import canonical_json
from bundle.model.manifest import Manifest
from bundle.model.platforms import PLATFORMS, System
from bundle.model.variables import BUNDLE

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"
"""The configuration of an artifact that needs none."""

_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
_NOTHING = "application/vnd.oci.empty.v1+json"
_TITLE = "org.opencontainers.image.title"
_BASE = "org.opencontainers.image.base"

_SYSTEMS: Mapping[System, str] = {"linux": "linux", "macosx": "darwin", "windows": "windows"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Go's names, which the specification prescribes."""

Json = dict[str, Any]


_NOBODY = "65534:65534"
"""The user and the group that own no file."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""That of programs in images which set none."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The image below the layers of a bundle."""

    name: str
    """Its reference, without a digest."""
    digest: str
    """Of its manifest for the platform, with `sha256:`."""
    layers: tuple[tuple[str, Blob], ...]
    """Media type and blob of each."""
    diff_ids: tuple[str, ...]
    config: Json
    """What it says of the start of programs; the values may be of any type."""


@dataclass(frozen=True, kw_only=True)
class RunnableImage:
    """An image that starts the Python of a bundle, and where the layers of its base are."""

    version: str
    platform: str
    config: bytes
    manifest: bytes
    origin: str
    """The address of the base's repository."""
    base: Mapping[Blob, Source]


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
                _descriptor(LAYER, layer.blob) | {"annotations": {_TITLE: f"{layer.name} {layer.version}".strip()}}
                for layer in document.layers
            ],
            "annotations": {
                **_annotations(f"{entry.version} for {entry.platform}", entry.version, epoch),
                "bundle.document": f"sha256:{entry.document.sha256}",
            },
        }
    )


def runnable_config_of(document: BundleDocument, base: Base, manifest: Manifest, epoch: int) -> bytes:
    """Return the configuration of an image that starts a bundle's Python.

    Args:
        manifest: of the bundle.
    """
    executable = PurePosixPath("/", TOP, manifest.target.executable(manifest.python.actual))
    environ = {"PATH": _PATH, **dict(one.split("=", 1) for one in _texts(base.config.get("Env")) if "=" in one)}
    environ = {
        **{name: value for name, value in environ.items() if name not in MISLEADING},
        "PATH": f"{executable.parent}:{environ['PATH']}",
        "PYTHONNOUSERSITE": "1",
        **{name: value.replace(BUNDLE, f"/{TOP}") for name, value in manifest.environment.items()},
    }
    own = {
        "User": _NOBODY,
        "WorkingDir": "/",
        **{name: base.config[name] for name in ("User", "WorkingDir", "StopSignal") if _is_text(base.config.get(name))},
        "Env": [f"{name}={value}" for name, value in environ.items()],
        "Entrypoint": [str(executable)],
    }
    value = json.loads(config_of(document, epoch))
    value["config"] = own
    value["rootfs"]["diff_ids"] = [*base.diff_ids, *value["rootfs"]["diff_ids"]]
    value["history"] = [
        *({"created_by": f"a layer of {base.name}"} for _ in base.layers),
        *({"created_by": f"bundle: {layer.name} {layer.version}".strip()} for layer in document.layers),
    ]
    return canonical_json(value)


def runnable_image_of(document: BundleDocument, base: Base, config: bytes, epoch: int) -> bytes:
    """Return the manifest of an image that starts a bundle's Python, whose layers are the base's and the bundle's."""
    value = json.loads(image_of(document, epoch))
    value["config"] = _descriptor(_CONFIG, Blob.of(config))
    value["layers"] = [*(_descriptor(kind, blob) for kind, blob in base.layers), *value["layers"]]
    value["annotations"] |= {f"{_BASE}.name": base.name, f"{_BASE}.digest": base.digest}
    return canonical_json(value)


def base_of_other(manifest: bytes, layers: Sequence[Blob]) -> str | None:
    """Return the base that the manifest of a runnable image names, if its last layers are not these.

    Returns:
        Empty if it names none; None if it has these layers, or is no manifest of an image.
    """
    try:
        value = json.loads(manifest)
        if "artifactType" in value:
            return None
        held = [one["digest"] for one in value["layers"]]
        name = value.get("annotations", {}).get(f"{_BASE}.name", "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if held[-len(layers) :] == [f"sha256:{one.sha256}" for one in layers]:
        return None
    return name if isinstance(name, str) and name.isascii() and name.isprintable() else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


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


def artifact_of_files(kind: str, files: Mapping[str, Json]) -> bytes:
    """Return the manifest of an artifact that holds JSON documents.

    Args:
        files: their descriptors, by their names.
    """
    layers = [one | {"annotations": {_TITLE: name}} for name, one in sorted(files.items())]
    return canonical_json(json.loads(artifact_of(kind)) | {"layers": layers})


def files_of(manifest: bytes) -> dict[str, Json]:
    """Return the descriptors in the manifest of an artifact that holds JSON documents, by their names.

    Raises:
        ValueError: it is none.
    """
    try:
        return {
            str(one["annotations"][_TITLE]): {name: one[name] for name in ("mediaType", "digest", "size")}
            for one in json.loads(manifest)["layers"]
        }
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(manifest[:80]) from error


def file_descriptor(kind: str, content: bytes) -> Json:
    """Return what the manifest of an artifact says of a JSON document in it."""
    return _descriptor(f"application/vnd.bundle.{kind}.v1+json", Blob.of(content))


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
