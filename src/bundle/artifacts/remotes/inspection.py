"""Reading a remote whole, to find what is missing or damaged there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Literal

from bundle.artifacts.documents.page.index import Index
from bundle.artifacts.documents.page.site import FOLDER, INDEX, START, bundle_of
from bundle.artifacts.remotes.files import ReadableFileRemote
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import MissingBlobError, ReadableRemote
from bundle.base.errors import BundleError, IntegrityError
from bundle.base.report import Reporter
from bundle.base.threads import all_of, in_parallel

_AT_ONCE = 6
"""Files that are read at the same time."""

_OF_ALL = re.compile(rf"{re.escape(START)}|{FOLDER}/[a-z]+\.(html|js|css)")
"""The files of a page about all bundles together."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A document, a layer or a file of the page that is not what the catalogue, or the page's index, says."""

    kind: Literal["missing", "changed"]
    what: str
    detail: str
    bundles: tuple[str, ...]
    """Those that need it, as `VERSION-PLATFORM`; none for files of the page for people."""


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


def inspect_page(remote: ReadableRemote, signed: str | None) -> list[Finding]:
    """Read all files of the page for people, and compare them with its index.

    Args:
        signed: the SHA-256 that a pinned root vouches for, empty if it vouches for no page; None if there is no root.
    """
    if not isinstance(remote, ReadableFileRemote):
        return []
    try:
        content = remote.page_file(INDEX)
        if content is None:
            gone = Finding(kind="missing", what=INDEX, detail="The signed metadata names it.", bundles=())
            return [gone] if signed else []
        if signed is not None and sha256(content).hexdigest() != signed:
            return [_changed(INDEX, "The signed metadata names another." if signed else "It is not signed.")]
        files = Index.from_bytes(content).all_files()
        if unknown := next((path for path in files if not (_OF_ALL.fullmatch(path) or bundle_of(path))), None):
            return [_changed(INDEX, f"It names {unknown!r:.80}.")]
    except (ValueError, RecursionError, IntegrityError) as error:
        return [_changed(INDEX, str(error))]

    def compare(path: str) -> Finding | None:
        try:
            found = remote.page_file(path)
        except IntegrityError as error:
            return _changed(path, str(error))
        if found is None:
            return Finding(kind="missing", what=path, detail=f"{INDEX} names it.", bundles=())
        return None if sha256(found).hexdigest() == files[path] else _changed(path, f"{INDEX} names another.")

    return [one for one in all_of(in_parallel(compare, sorted(files), threads=_AT_ONCE)) if one is not None]


def _changed(what: str, detail: str) -> Finding:
    return Finding(kind="changed", what=what, detail=detail, bundles=())


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
