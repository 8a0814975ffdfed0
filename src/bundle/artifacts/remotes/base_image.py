"""The base of a runnable image: an image of a registry, read for one platform, and pinned by its digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from bundle.artifacts.remotes.images import INDEX, LAYER, MANIFEST, Base, Json, platform_of
from bundle.artifacts.remotes.published import LARGEST_BLOB, Blob
from bundle.artifacts.remotes.registry_files import DIGEST, RegistryFiles
from bundle.artifacts.remotes.remote import Source
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.report import Reporter

_DOCKER = "application/vnd.docker.distribution.manifest"

_ACCEPTED = ", ".join((INDEX, MANIFEST, f"{_DOCKER}.list.v2+json", f"{_DOCKER}.v2+json"))

_TAR = LAYER.removesuffix("+zstd")
_LAYERS: Mapping[str, str] = {
    **{f"{_TAR}{suffix}": f"{_TAR}{suffix}" for suffix in ("", "+gzip", "+zstd")},
    "application/vnd.docker.image.rootfs.diff.tar": _TAR,
    **{f"application/vnd.docker.image.rootfs.diff.tar.{kind}": f"{_TAR}+{kind}" for kind in ("gzip", "zstd")},
}
"""Media types of layers, and their names in the OCI specification."""

_MOST_LAYERS = 120
"""Docker starts images of at most 127 layers."""

_LARGEST_CONFIG = 2**22

_REFERENCE = re.compile(
    r"(?:oci://)?(?P<host>[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?)/(?P<repository>[a-z0-9._/-]+)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """A base, and where its layers are."""

    base: Base
    files: RegistryFiles

    @property
    def sources(self) -> Mapping[Blob, Source]:
        """What gives the bytes of each layer, unverified."""
        return {blob: partial(self.files.parts, blob.sha256, 0, blob.size) for _, blob in self.base.layers}


def read_base_image(reference: str, key: str, environ: Mapping[str, str], reporter: Reporter) -> BaseImage:
    """Read an image for a platform; its layers are not read.

    Args:
        reference: `HOST/REPOSITORY` with a tag, a digest or both; `oci://` may stand before it.
        key: of the platform.

    Raises:
        ConfigError: the reference is none, there is no such image, or none for the platform.
        NetworkError: the registry does not answer.
        IntegrityError: it is another image than the digest says, malformed, or too large.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or not (match["tag"] or match["digest"]) or not _is_host(match["host"]):
        raise ConfigError(
            f"{reference!r:.200} is no image of a registry.",
            remedy="Write it as HOST[:PORT]/REPOSITORY:TAG, HOST/REPOSITORY@sha256:DIGEST, or with both.",
        )
    name = reference.removeprefix("oci://").partition("@")[0]
    files = RegistryFiles(f"oci://{match['host']}/{match['repository']}", environ, reporter)
    content = _document(files, name, match["digest"] or match["tag"], match["digest"])
    value = _object(content, name)
    if isinstance(value.get("manifests"), list):
        chosen = _chosen(value["manifests"], key, name)
        content = _document(files, name, chosen, chosen)
        value = _object(content, name)
    layers = _layers(value.get("layers"), name)
    blob = _blob(value.get("config"), name)
    config = _object(_config(files, blob, name), name)
    wanted = platform_of(key)
    if {part: config.get(part) for part in wanted} != wanted:
        raise ConfigError(
            f"The image {name} is for {config.get('os')!r:.20} on {config.get('architecture')!r:.20}, not for {key}.",
            remedy="Name an image for the platform, or an index of images that has one.",
        )
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list) or len(found) != len(layers) or not all(_is_digest(one) for one in found):
        _refuse(name, "its configuration does not name its layers")
    own = config.get("config")
    base = Base(
        name=name,
        digest=f"sha256:{Blob.of(content).sha256}",
        layers=layers,
        diff_ids=tuple(found),
        config=own if isinstance(own, dict) else {},
    )
    return BaseImage(base=base, files=files)


def _is_host(host: str) -> bool:
    """Return whether a name is that of a host; `library/debian` has none."""
    return host == "localhost" or any(sign in host for sign in ".:")


def _document(files: RegistryFiles, name: str, reference: str, digest: str | None) -> bytes:
    """Return a manifest or an index."""
    content = files.manifest(reference, _ACCEPTED)
    if content is None:
        raise ConfigError(f"There is no image {name} ({reference}).", remedy="Check its repository and its tag.")
    if digest and f"sha256:{Blob.of(content).sha256}" != digest:
        _refuse(name, f"it is not what {digest} names")
    return content


def _config(files: RegistryFiles, blob: Blob, name: str) -> bytes:
    if blob.size > _LARGEST_CONFIG:
        _refuse(name, f"its configuration has {blob.size} bytes")
    content = b"".join(files.parts(blob.sha256, 0, blob.size))
    if Blob.of(content) != blob:
        _refuse(name, "its configuration is not what its manifest names")
    return content


def _object(content: bytes, name: str) -> Json:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        _refuse(name, "its documents are no JSON objects")
    return value


def _chosen(images: list[Any], key: str, name: str) -> str:
    """Return the digest of the image for a platform in an index."""
    wanted = platform_of(key)
    for image in images:
        platform = image.get("platform") if isinstance(image, dict) else None
        if isinstance(platform, dict) and {part: platform.get(part) for part in wanted} == wanted:
            return f"sha256:{_blob(image, name).sha256}"
    raise ConfigError(f"{name} has no image for {key}.", remedy="Name another one, or publish other platforms.")


def _layers(value: Any, name: str) -> tuple[tuple[str, Blob], ...]:
    if not isinstance(value, list) or len(value) > _MOST_LAYERS:
        _refuse(name, f"it does not have 0 to {_MOST_LAYERS} layers")
    found = []
    for one in value:
        blob = _blob(one, name)
        kind = _LAYERS.get(one["mediaType"]) if isinstance(one.get("mediaType"), str) else None
        if kind is None or blob.size > LARGEST_BLOB:
            _refuse(name, f"a layer of {blob.size} bytes is of the kind {one.get('mediaType')!r:.100}")
        found.append((kind, blob))
    return tuple(found)


def _blob(descriptor: Any, name: str) -> Blob:
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    if type(size) is not int or size < 1 or not _is_digest(descriptor.get("digest")):
        _refuse(name, "a descriptor in it has no digest or no size")
    return Blob(sha256=descriptor["digest"].removeprefix("sha256:"), size=size)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _refuse(name: str, problem: str) -> NoReturn:
    raise IntegrityError(
        f"The image {name} cannot be a base: {problem}.",
        cause="The registry, or the person who wrote the image, gave something else.",
        remedy="Name another image, or look at this one with `skopeo inspect --raw`.",
    )
