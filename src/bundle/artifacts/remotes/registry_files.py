"""The files of a repository of a container registry, as they are read: documents, blobs, manifests, tags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP, TRUST
from bundle.artifacts.remotes.images import MANIFEST, Json, files_of
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.remote import MissingBlobError, Token, TooLargeError
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.http.client import NotFoundError
from bundle.base.http.registry import RegistryClient
from bundle.base.http.responses import TooLongError
from bundle.base.http.urls import redact
from bundle.base.report import Reporter

_LARGEST_MANIFEST = 2**22
"""Bytes; registries take no larger ones."""

_PAGES = 1000
"""Pages of tags, of 1000 each."""

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CATALOGUE = re.compile(r"([0-9a-f]{64})\.catalogue\.json")


class RegistryFiles:
    """The catalogue, the documents and the blobs of a repository, by the paths that they have in remotes of files.

    Args:
        address: `oci://HOST[:PORT]/REPOSITORY`.

    Raises:
        ConfigError: it is none, or the client is not installed.
    """

    def __init__(self, address: str, environ: Mapping[str, str], reporter: Reporter) -> None:
        parts = urlsplit(address)
        repository = parts.path.strip("/")
        if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
            repository = ""
        if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
            raise ConfigError(
                f"{redact(address)} is not the address of a repository.",
                remedy="Write it as oci://HOST[:PORT]/REPOSITORY, in lower case; `docker login` stores credentials.",
            )
        self.url = f"oci://{parts.netloc}/{repository}"
        self.client = RegistryClient(parts.netloc, reporter=reporter, environ=environ)
        self.address = f"{self.client.address}/v2/{repository}"
        self._opened: tuple[dict[str, Json], Token] | None = None

    def get(self, path: str, most: int) -> tuple[bytes, str] | None:
        """Return a document, and the digest of the manifest that names it by a tag; see `ReadableFiles`."""
        folder, _, name = path.partition("/")
        if folder == TRUST:
            return self._metadata(name, most)
        if path != CATALOGUE:
            content = self._get(self.blob_address(_sha256(path)), most)
            return None if content is None else (content, "")
        manifest = self.manifest("catalogue")
        if manifest is None:
            return None
        try:
            digest = str(json.loads(manifest)["layers"][0]["digest"])
        except (ValueError, LookupError, TypeError, RecursionError):
            digest = ""
        content = self._get(f"{self.address}/blobs/{digest}", most) if DIGEST.fullmatch(digest) else None
        if content is None or f"sha256:{Blob.of(content).sha256}" != digest:
            raise IntegrityError(
                f"The tag catalogue of {self.url} holds no catalogue.",
                cause="Another program wrote it, or its blob was removed or changed.",
                remedy="Publish into a repository of its own, or publish the bundles again.",
            )
        return content, Blob.of(manifest).sha256

    def parts(self, path: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a blob; see `ReadableFiles`."""
        try:
            yield from self.client.read(self.blob_address(_sha256(path)), first, length)
        except NotFoundError as error:
            raise MissingBlobError(f"{self.url} lacks the blob {_sha256(path)}.") from error

    def metadata_manifest(self) -> tuple[dict[str, Json], Token]:
        """Return the descriptors of all signed metadata, and the digest of their manifest."""
        manifest = self.manifest(TRUST)
        if manifest is None:
            return {}, None
        try:
            return files_of(manifest), Blob.of(manifest).sha256
        except ValueError as error:
            raise IntegrityError(
                f"The tag {TRUST} of {self.url} holds no signed metadata.", remedy="Find out who wrote it."
            ) from error

    def _metadata(self, name: str, most: int) -> tuple[bytes, str] | None:
        # A timestamp and what it leads to come out of one manifest, so they belong together.
        if name == TIMESTAMP or name.endswith("root.json") or self._opened is None:
            self._opened = self.metadata_manifest()
        files, token = self._opened
        digest = str(files[name]["digest"]) if name in files else ""
        if match := _CATALOGUE.fullmatch(name):
            # Of two publishers at the same time one overwrites the manifest of the other. A reader that has seen the
            # former stays with its metadata until a newer version comes, and finds the catalogue by its hash.
            digest = f"sha256:{match[1]}"
        content = self._get(f"{self.address}/blobs/{digest}", most) if DIGEST.fullmatch(digest) else None
        return None if content is None else (content, token or "")

    def manifest(self, reference: str, accept: str = MANIFEST) -> bytes | None:
        """Return a manifest, None if there is none.

        Args:
            reference: a tag, or a digest, with which the manifest is not compared.
            accept: the media types that are understood.
        """
        return self._get(self.manifest_address(reference), _LARGEST_MANIFEST, accept)

    def tags(self) -> list[str]:
        """Return all tags."""
        found: list[str] = []
        for _ in range(_PAGES):
            last = f"&last={quote(found[-1])}" if found else ""
            try:
                answer = self.client.get(f"{self.address}/tags/list?n=1000{last}")
            except NotFoundError:
                return found
            try:
                page = [str(tag) for tag in json.loads(answer.content)["tags"] or () if TAG.fullmatch(str(tag))]
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise IntegrityError(f"{self.url} does not list its tags as registries do.") from error
            found += page
            if not page or "link" not in answer.headers:
                return found
        raise IntegrityError(f"{self.url} has more tags than {_PAGES * 1000}.")

    def blob_address(self, sha256: str) -> str:
        """Return the address of a blob."""
        return f"{self.address}/blobs/sha256:{sha256}"

    def manifest_address(self, reference: str) -> str:
        """Return the address of a manifest, by tag or digest."""
        return f"{self.address}/manifests/{reference}"

    def _get(self, address: str, most: int, accept: str | None = None) -> bytes | None:
        try:
            return self.client.get(address, accept=accept, most=most).content
        except NotFoundError:
            return None
        except TooLongError as error:
            raise TooLargeError(redact(address), most) from error


def _sha256(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")
