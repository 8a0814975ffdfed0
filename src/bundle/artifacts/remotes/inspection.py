"""Reading a remote whole, to find what is missing or damaged there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Literal

from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import MissingBlobError, ReadableRemote
from bundle.base.errors import BundleError, IntegrityError
from bundle.base.report import Reporter
from bundle.base.threads import all_of, in_parallel

_AT_ONCE = 6
"""Files that are read at the same time."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A document or a layer that is not what the catalogue says."""

    kind: Literal["missing", "changed"]
    what: str
    detail: str
    bundles: tuple[str, ...]
    """Those that need it, as `VERSION-PLATFORM`."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What reading a remote has shown."""

    bundles: int
    blobs: int
    size: int
    """Bytes of the blobs that were read."""
    findings: tuple[Finding, ...]


def inspect(remote: ReadableRemote, catalogue: PublishedCatalogue, *, reporter: Reporter) -> Inspection:
    """Read every document and every layer that the catalogue of a remote names.

    Raises:
        NetworkError: the remote does not answer.
    """
    entries = catalogue.bundles
    documents = all_of(in_parallel(partial(_document, remote), entries, threads=_AT_ONCE))
    findings: list[Finding] = []
    layers: dict[Blob, str] = {}
    users: defaultdict[Blob, list[str]] = defaultdict(list)
    for entry, document in documents:
        name = f"{entry.version}-{entry.platform}"
        if isinstance(document, BundleDocument):
            for layer in document.layers:
                layers[layer.blob] = f"layer {layer.name} {layer.version}".rstrip()
                users[layer.blob].append(name)
        else:
            findings.append(_finding(document, f"document {entry.document.sha256}", [name]))
    findings += (
        _finding(error, f"{layers[blob]}, blob {blob.sha256}", users[blob])
        for blob, error in damaged(remote, layers, reporter=reporter).items()
    )
    return Inspection(
        bundles=len(entries), blobs=len(layers), size=sum(blob.size for blob in layers), findings=tuple(findings)
    )


def damaged(remote: ReadableRemote, blobs: Iterable[Blob], *, reporter: Reporter) -> dict[Blob, BundleError]:
    """Read blobs, and return those that are missing, cut short or changed, each with the error.

    Raises:
        NetworkError: the remote does not answer.
    """
    asked = sorted(set(blobs), key=lambda blob: (-blob.size, blob.sha256))
    total = sum(blob.size for blob in asked)
    with reporter.task(f"reading {len(asked)} layers", total=total, unit="bytes") as task:

        def read(blob: Blob) -> tuple[Blob, BundleError | None]:
            digest = sha256()
            try:
                for chunk in remote.read(blob):
                    digest.update(chunk)
                    task.advance(len(chunk))
            except (MissingBlobError, IntegrityError) as error:
                return blob, error
            changed = digest.hexdigest() != blob.sha256
            return blob, IntegrityError("Its bytes have another SHA-256.") if changed else None

        found = all_of(in_parallel(read, asked, threads=_AT_ONCE))
    return {blob: error for blob, error in found if error is not None}


def _document(remote: ReadableRemote, entry: PublishedEntry) -> tuple[PublishedEntry, BundleDocument | BundleError]:
    try:
        return entry, remote.bundle(entry)
    except (MissingBlobError, IntegrityError) as error:
        return entry, error


def _finding(error: BundleError, what: str, users: Iterable[str]) -> Finding:
    kind: Literal["missing", "changed"] = "missing" if isinstance(error, MissingBlobError) else "changed"
    return Finding(kind=kind, what=what, detail=str(error), bundles=tuple(users))
