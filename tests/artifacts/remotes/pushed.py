"""Images for tests, pushed to a registry as they are given."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from bundle.artifacts.remotes.images import MANIFEST
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.registry_files import RegistryFiles
from bundle.base.report import Reporter

TAR = "application/vnd.oci.image.layer.v1.tar+gzip"


def files_of(reference: str) -> RegistryFiles:
    """Return the files of a repository, by `HOST/REPOSITORY`."""
    return RegistryFiles(f"oci://{reference}", {}, Reporter())


def layer_of(files: Mapping[str, bytes]) -> bytes:
    """Return an uncompressed layer."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def push_blob(files: RegistryFiles, content: bytes) -> dict[str, Any]:
    """Push a blob and return what names it, without a media type."""
    blob = Blob.of(content)
    files.client.upload(files.address, blob.sha256, blob.size, lambda: [content])
    return {"digest": f"sha256:{blob.sha256}", "size": blob.size}


def push(
    files: RegistryFiles,
    layers: Sequence[bytes],
    *,
    tag: str = "1",
    config: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    layer_type: str = TAR,
) -> dict[str, Any]:
    """Push an image and return its descriptor.

    Args:
        layers: uncompressed.
        config: what replaces parts of the configuration.
        changes: what replaces parts of the manifest.
    """
    about = {
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(one).hexdigest()}" for one in layers]},
        **(config or {}),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": push_blob(files, json.dumps(about).encode())
        | {"mediaType": "application/vnd.oci.image.config.v1+json"},
        "layers": [push_blob(files, gzip.compress(one, mtime=0)) | {"mediaType": layer_type} for one in layers],
        **(changes or {}),
    }
    content = json.dumps(manifest).encode()
    files.client.put(files.manifest_address(tag), content, str(manifest["mediaType"]))
    return {"mediaType": manifest["mediaType"], "digest": f"sha256:{Blob.of(content).sha256}", "size": len(content)}
