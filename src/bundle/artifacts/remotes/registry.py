"""A repository of a container registry as a remote: layers are blobs, a version is an image index.

Registries have no conditional writes, so each bundle has a tag of its own, `entry-VERSION-PLATFORM`, which holds its
entry. Catalogue and indexes follow from these tags: a publisher writes its entries first, then what follows, and reads
the entries again until they are those that it wrote from. So the last of several publishers has seen all entries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from bundle.artifacts.catalogue_entry import ArchiveRecord
from bundle.artifacts.remotes.files import TRUST, ReadableFileRemote, checked
from bundle.artifacts.remotes.images import (
    EMPTY,
    INDEX,
    MANIFEST,
    Json,
    RunnableImage,
    artifact_of,
    artifact_of_files,
    base_of_other,
    config_of,
    file_descriptor,
    image_descriptor,
    image_of,
    index_of,
)
from bundle.artifacts.remotes.published import (
    FORMAT,
    LARGEST_DOCUMENT,
    Blob,
    BundleDocument,
    PublishedCatalogue,
    PublishedEntry,
)
from bundle.artifacts.remotes.registry_files import DIGEST, TAG, RegistryFiles
from bundle.artifacts.remotes.remote import (
    CatalogueChangedError,
    ReadOnlyError,
    Source,
    Stored,
    Token,
)
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import canonical_json, source_date_epoch
from bundle.base.http.client import NotFoundError
from bundle.base.report import Reporter
from bundle.base.threads import all_of, in_parallel
from bundle.model.platforms import PLATFORMS
from bundle.model.records import to_json

_AT_ONCE = 8

_ROUNDS = 100
"""Times that other publishers may write entries while the catalogue is written."""

_SETTLED = 2.0
"""Seconds; writing metadata takes a fraction of this after it was compared."""


@dataclass(frozen=True, kw_only=True)
class _Entries:
    """What the tags of all bundles hold."""

    catalogue: PublishedCatalogue
    images: Mapping[tuple[str, str], Json]
    """By version and platform."""


class Registry(ReadableFileRemote):
    """A repository of a registry; see `docs/publishing.md` for the layout.

    Args:
        address: `oci://HOST[:PORT]/REPOSITORY`.
        environ: where `SOURCE_DATE_EPOCH` may stand.
    """

    def __init__(self, address: str, environ: Mapping[str, str], reporter: Reporter) -> None:
        self._there = RegistryFiles(address, environ, reporter)
        super().__init__(self._there)
        self._epoch = source_date_epoch(environ)
        self._read: dict[Token, PublishedCatalogue] = {}

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        """Return the catalogue and its token; see `Remote`."""
        catalogue, token = super().catalogue()
        self._read[token] = catalogue
        return catalogue, token

    def replace_catalogue(self, catalogue: PublishedCatalogue, token: Token) -> None:
        """Write the entries that differ from those of the token's catalogue, then what follows; see `Remote`."""
        before = self._read.get(token)
        if before is None:
            raise CatalogueChangedError(f"The catalogue of {self.url} was not read before.")
        self._put_blob(EMPTY)
        changed = [entry for entry in catalogue.bundles if entry not in before.bundles]
        removed = [entry for entry in before.bundles if catalogue.find(*entry.name) is None]
        for entry in changed:
            self._put_manifest(_tag(entry), self._artifact(entry))
        for entry in removed:
            # Not every registry lets tags be removed.
            self._put_manifest(_tag(entry), artifact_of("removed"))
            if self._there.manifest(_tag(entry, "image")) is not None:
                self._put_manifest(_tag(entry, "image"), artifact_of("removed"))
                self._index_runnables(entry.version)
        versions = dict.fromkeys(entry.version for entry in (*changed, *removed))
        entries = self._entries()
        for _ in range(_ROUNDS):
            for version in versions:
                images = [entries.images[one.name] for one in entries.catalogue.bundles if one.version == version]
                self._put_manifest(version, index_of(version, images, self._epoch), INDEX)
            content = entries.catalogue.to_bytes()
            self._put_blob(content)
            self._put_manifest("catalogue", artifact_of("catalogue", Blob.of(content)))
            written, entries = entries, self._entries()
            if entries == written:
                return
        raise CatalogueChangedError(f"Other processes keep changing {self.url}.")

    def _document(self, entry: PublishedEntry) -> tuple[str, bytes | None]:
        found = self._there.get(entry.document.sha256, min(entry.document.size, LARGEST_DOCUMENT))
        return entry.document.sha256, None if found is None else found[0]

    def page_file(self, path: str) -> bytes | None:  # noqa: ARG002 - of the class
        """Return None: registries have no page."""
        return None

    def put_metadata(self, files: Mapping[str, bytes], token: Token) -> None:
        """Write one manifest that names all metadata, so that readers see all of it or none; see `Remote`."""
        known, state = self._there.metadata_manifest()
        if state != token or any(name in known for name in files if name.endswith(".root.json")):
            raise CatalogueChangedError(f"Another process changed the signed metadata of {self.url}.")
        for content in (EMPTY, *files.values()):
            self._put_blob(content)
        replaced = {_role(name) for name in files} - {"root.json"}
        kept = {name: one for name, one in known.items() if _role(name) not in replaced}
        new = {name: file_descriptor(TRUST, content) for name, content in files.items()}
        manifest = artifact_of_files(TRUST, kept | new)
        if self._there.metadata_manifest()[1] != token:
            raise CatalogueChangedError(f"Another process changed the signed metadata of {self.url}.")
        self._put_manifest(TRUST, manifest)
        # Another process may have looked right before this was written, and write its own right afterwards.
        time.sleep(_SETTLED)
        if self._there.metadata_manifest()[1] != Blob.of(manifest).sha256:
            raise CatalogueChangedError(f"Another process changed the signed metadata of {self.url}.")

    def entry_of(self, document: BundleDocument) -> PublishedEntry:
        """Return the entry of a bundle, with the digest that its image is pulled by; see `Remote`."""
        return replace(PublishedEntry.of(document), image=Blob.of(image_of(document, self._epoch)).sha256)

    def put_bundle(self, document: BundleDocument) -> None:
        """Write the document, the configuration and the manifest of a bundle; see `Remote`."""
        _tag(PublishedEntry.of(document))
        self._put_blob(document.to_bytes())
        self._put_blob(config_of(document, self._epoch))
        image = image_of(document, self._epoch)
        self._put_manifest(f"sha256:{Blob.of(image).sha256}", image)

    def put_runnable(self, image: RunnableImage) -> None:
        """Write an image that starts the bundle's Python, and the index of the version's images.

        Layers of its base that the repository lacks are taken over within the registry, or copied. The index follows
        from the tags of the images of all platforms, as that of the bundles does.
        """
        tag = _tag(image, "image")

        def take(blob: Blob) -> None:
            here = image.origin.startswith(f"{self._there.client.address}/")
            repository = image.origin.partition("/v2/")[2]
            if not here or not self._there.client.mount(self._there.address, blob.sha256, repository):
                self.send(blob, image.base[blob])

        all_of(in_parallel(take, self.lacking(image.base), threads=_AT_ONCE))
        self._put_blob(image.config)
        self._put_manifest(tag, image.manifest)
        self._index_runnables(image.version)

    def other_runnable(self, version: str, platform: str, layers: Sequence[Blob]) -> str | None:
        """Return the base of a bundle's runnable image if its last layers are others than these.

        Returns:
            Empty if the image does not name its base; None if there is no image, or it has these layers.
        """
        content = self._there.manifest(f"image-{version}-{platform}")
        return None if content is None else base_of_other(content, layers)

    def _index_runnables(self, version: str) -> None:
        """Write the index of the runnable images of a version, and of none if it has none any more."""
        images = self._runnables(version)
        for _ in range(_ROUNDS):
            if images:
                self._put_manifest(f"run-{version}", index_of(version, images, self._epoch), INDEX)
            elif self._there.manifest(f"run-{version}", INDEX) is not None:
                self._put_manifest(f"run-{version}", artifact_of("removed"))
            written, images = images, self._runnables(version)
            if images == written:
                return
        raise CatalogueChangedError(f"Other processes keep changing {self.url}.")

    def _runnables(self, version: str) -> list[Json]:
        """Return the descriptors of a version's runnable images."""
        tags = {key: f"image-{version}-{key}" for key in PLATFORMS}
        found = all_of(in_parallel(self._there.manifest, tags.values(), threads=_AT_ONCE))
        return [
            image_descriptor(content, key)
            for key, content in zip(tags, found, strict=True)
            if content is not None and content != artifact_of("removed")
        ]

    def lacking(self, blobs: Iterable[Blob]) -> set[Blob]:
        """Return the blobs that are not there, or not with their size; see `Remote`."""
        asked = list(dict.fromkeys(blobs))
        sizes = all_of(in_parallel(self._size, asked, threads=_AT_ONCE))
        return {blob for blob, size in zip(asked, sizes, strict=True) if size != blob.size}

    def renew(self, blobs: Iterable[Blob]) -> None:
        """Do nothing: the registry knows no age of blobs."""

    def send(self, blob: Blob, source: Source) -> None:
        """Store a blob; see `Remote`."""
        self._there.client.upload(self._there.address, blob.sha256, blob.size, lambda: checked(source(), blob))

    def put_archive(self, archive: ArchiveRecord, source: Source) -> None:  # noqa: ARG002 - of the protocol
        """Raise: registries hold layers."""
        raise ReadOnlyError(
            f"{self.url} takes no archives of whole bundles.", remedy="Publish without --archives, or to a folder."
        )

    def stored(self) -> Iterator[Stored]:
        """Raise: the interface of registries does not list blobs."""
        self._refuse_removal()

    def remove(self, stored: Stored, *, younger_than: float | None = None) -> bool:  # noqa: ARG002 - of the protocol
        """Raise: see `stored`."""
        self._refuse_removal()

    def _refuse_removal(self) -> NoReturn:
        raise ReadOnlyError(
            f"{self.url} removes what it holds by itself.",
            cause="Registries do not list their blobs, and collect them by a command or a policy of their own.",
            remedy="`bundle unpublish` takes bundles out; then run the registry's collection, such as "
            "`docker-registry garbage-collect CONFIG --delete-untagged`, while no one publishes.",
        )

    def _entries(self) -> _Entries:
        """Return what the tags of all bundles hold at this moment."""
        tags = [tag for tag in self._there.tags() if tag.startswith("entry-")]
        found = []
        images: dict[tuple[str, str], Json] = {}
        for tag, content in zip(tags, all_of(in_parallel(self._there.manifest, tags, threads=_AT_ONCE)), strict=True):
            try:
                annotations = json.loads(content or b"{}").get("annotations") or {}
                if "bundle.entry" not in annotations:
                    continue
                value, image = json.loads(annotations["bundle.entry"]), json.loads(annotations["bundle.image"])
                name = (str(value["version"]), str(value["platform"]))
                if f"entry-{name[0]}-{name[1]}" != tag or not DIGEST.fullmatch(image["digest"]):
                    raise ValueError(tag)
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise IntegrityError(
                    f"The tag {tag} of {self.url} holds no entry of a bundle.",
                    cause="Another program wrote it.",
                    remedy="Remove the tag, or publish into a repository of its own.",
                ) from error
            found.append(value)
            images[name] = image
        content = canonical_json({"published": FORMAT, "bundles": found})
        return _Entries(catalogue=PublishedCatalogue.from_bytes(content, f"The tags of {self.url}"), images=images)

    def _artifact(self, entry: PublishedEntry) -> bytes:
        """Return the manifest that holds an entry."""
        image = image_descriptor(image_of(self.bundle(entry), self._epoch), entry.platform)
        values = {"bundle.entry": to_json(entry), "bundle.image": image}
        return artifact_of(
            "bundle", entry.document, {name: canonical_json(value).decode() for name, value in values.items()}
        )

    def _size(self, blob: Blob) -> int | None:
        try:
            return self._there.client.size(self._there.blob_address(blob.sha256))
        except NotFoundError:
            return None

    def _put_blob(self, content: bytes) -> None:
        blob = Blob.of(content)
        if self.lacking([blob]):
            self.send(blob, lambda: [content])

    def _put_manifest(self, reference: str, content: bytes, media_type: str = MANIFEST) -> None:
        self._there.client.put(self._there.manifest_address(reference), content, media_type)


def _role(name: str) -> str:
    """Return the name of a file of signed metadata without version or hash."""
    return ".".join(name.split(".")[-2:])


def _tag(entry: PublishedEntry | RunnableImage, kind: str = "entry") -> str:
    """Return the tag of a bundle's entry, or of its image."""
    tag = f"{kind}-{entry.version}-{entry.platform}"
    if not TAG.fullmatch(tag):
        raise ConfigError(
            f"{entry.version} for {entry.platform} has a name that no tag of a registry can have.",
            cause="A tag has at most 128 characters.",
            remedy="Choose a shorter variant.",
        )
    return tag
