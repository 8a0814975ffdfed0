"""Runnable images: the layers of a bundle on those of a base image, started by the bundle's Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bundle.artifacts.remotes.base_image import BaseImage, read_base_image
from bundle.artifacts.remotes.images import RunnableImage, runnable_config_of, runnable_image_of
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.registry import Registry
from bundle.artifacts.remotes.remote import Remote
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import sha256_of, source_date_epoch
from bundle.base.report import Reporter
from bundle.make.publish.candidates import Candidate
from bundle.model.config.project import Project
from bundle.model.manifest import MANIFEST, Manifest, read_manifest
from bundle.model.platforms import PLATFORMS

_MOST_LAYERS = 127
"""Docker starts no image that has more."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A runnable image in its registry."""

    version: str
    platform: str
    reference: str
    """Pinned by the digest of its manifest."""
    base: str
    """Pinned by the digest of its manifest for the platform."""


def require_registry(remote: Remote) -> Registry:
    """Return a remote, if it is a registry.

    Raises:
        ConfigError: it holds files.
    """
    if not isinstance(remote, Registry):
        raise ConfigError(
            f"{remote.url} holds no images, so it has no use for --base.",
            remedy="Publish to a container registry: oci://HOST[:PORT]/REPOSITORY.",
        )
    return remote


def bases_of(
    reference: str, platforms: Iterable[str], environ: Mapping[str, str], *, reporter: Reporter
) -> dict[str, BaseImage]:
    """Return a base image for each of some platforms, named by their keys, that images exist for.

    Raises:
        ConfigError: none of them is for Linux, or there is no such image for one of them.
        NetworkError: the registry does not answer.
        IntegrityError: the image is malformed.
    """
    keys = dict.fromkeys(platforms)
    linux = [key for key in keys if PLATFORMS[key].system == "linux"]
    if not linux:
        raise ConfigError(
            "None of these bundles is for Linux, so none makes an image that runs.",
            remedy="Publish one for linux-x64 or linux-aarch64, or leave out --base.",
        )
    if others := [key for key in keys if key not in linux]:
        reporter.warning(f"No image that runs is made for {', '.join(others)}: containers run Linux.")
    return {key: read_base_image(reference, key, environ, reporter) for key in linux}


def publish_runnables(
    candidates: Sequence[Candidate],
    bases: Mapping[str, BaseImage],
    registry: Registry,
    project: Project,
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> list[Published]:
    """Publish an image for each bundle that has a base; its layers are in the registry already.

    Args:
        environ: where `SOURCE_DATE_EPOCH` may stand.

    Raises:
        ConfigError: the folder of a bundle is gone, which says how its programs are started.
        NetworkError: a registry does not answer.
        IntegrityError: a layer of the base is not what its digest says.
    """
    epoch = source_date_epoch(environ)
    done = []
    for candidate in candidates:
        document = candidate.document
        key = document.entry.platform
        if key not in bases:
            continue
        base = bases[key].base
        if len(base.layers) + len(document.layers) > _MOST_LAYERS:
            reporter.warning(
                f"The image of {candidate.name} has {len(base.layers) + len(document.layers)} layers; Docker starts "
                f"images of at most {_MOST_LAYERS}. Podman and containerd may start it."
            )
        config = runnable_config_of(document, base, _manifest(candidate, project), epoch)
        manifest = runnable_image_of(document, base, config, epoch)
        with reporter.step(f"image of {candidate.name}"):
            registry.put_runnable(
                RunnableImage(
                    version=document.entry.version,
                    platform=key,
                    config=config,
                    manifest=manifest,
                    origin=bases[key].files.address,
                    base=bases[key].sources,
                )
            )
        name = f"{registry.url.removeprefix('oci://')}:run-{document.entry.version}"
        done.append(
            Published(
                version=document.entry.version,
                platform=key,
                reference=f"{name}@sha256:{Blob.of(manifest).sha256}",
                base=f"{base.name}@{base.digest}",
            )
        )
    return done


def warn_of_outdated(candidates: Sequence[Candidate], registry: Registry, *, reporter: Reporter) -> None:
    """Name the runnable images that hold other layers than the bundles of their version, and their bases."""
    for candidate in candidates:
        entry = candidate.document.entry
        layers = [layer.blob for layer in candidate.document.layers]
        base = registry.other_runnable(entry.version, entry.platform, layers)
        if base is not None:
            reporter.warning(
                f"The image run-{entry.version} for {entry.platform} still holds an earlier bundle; "
                f"`bundle publish {entry.version} --base {base or 'IMAGE'}` renews it."
            )


def _manifest(candidate: Candidate, project: Project) -> Manifest:
    entry = candidate.document.entry
    folder = project.output / entry.version / entry.platform
    manifest = read_manifest(folder)
    if entry.manifest and sha256_of(folder / MANIFEST) != entry.manifest:
        raise IntegrityError(
            f"{folder / MANIFEST} is not the one that the catalogue names.",
            cause="It was edited, or the bundle was built again.",
            remedy=f"Build it again: `bundle build {entry.version} --platform {entry.platform}`.",
        )
    return manifest
