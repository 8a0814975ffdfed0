"""The page for people beside the catalogue of a remote that holds files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from bundle.artifacts.described import LARGEST_DOCUMENT, Described, documents_in_layer
from bundle.artifacts.documents.page.index import Index, IndexMaker
from bundle.artifacts.documents.page.site import GENERATOR, INDEX, START, Place, Site
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.published import PublishedEntry
from bundle.artifacts.remotes.remote import CatalogueChangedError, CatalogueHolder, MissingBlobError, Remote
from bundle.artifacts.trust.signed import SignedCatalogue
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from bundle.base.threads import all_of, in_parallel

_AT_ONCE = 8

_ATTEMPTS = 10
"""Times that the page is written; each but the last was overtaken by another publisher."""


@dataclass(frozen=True, kw_only=True)
class PublishedPage:
    """What was written of a page."""

    bundles: int
    """Bundles on the page."""
    written: int
    """Those whose own pages were written; the others had theirs."""


def publish_page(
    remote: Remote, *, reporter: Reporter, catalogue: CatalogueHolder | None = None, repair: bool = False
) -> PublishedPage | None:
    """Write the page about what a remote's catalogue names; only what changed since the last time.

    The catalogue is read again after that, so that of several publishers the last one writes a page of all bundles.
    Where the catalogue is signed, the index of the page is signed after it, and what an unsigned index says of an
    earlier page does not count.

    Args:
        catalogue: what holds the catalogue, if that is not the remote alone.
        repair: write all files, whatever is there.

    Returns:
        What was written, None if the remote is a registry, or has another start page, which stays.

    Raises:
        NetworkError: the remote does not answer.
    """
    if not isinstance(remote, FileRemote):
        return None
    start = remote.page_file(START)
    if start is not None and GENERATOR not in start:
        reporter.warning(f"{remote.url} has an {START} that is not of this program; it stays, and no page is written")
        return None
    # Readers of a folder know it by the address of some web server or drive.
    site = Site(Place(address=remote.url if "://" in remote.url else "", published=True))
    done = PublishedPage(bundles=0, written=0)
    with reporter.step("writing the page"):
        holder = catalogue or remote
        signed = holder if isinstance(holder, SignedCatalogue) else None
        for _ in range(_ATTEMPTS):
            found, token = holder.catalogue()
            earlier = (
                Index() if repair else _earlier(remote, site.revision, signed.page() if signed is not None else None)
            )
            done, index = _write(remote, found.bundles, site, earlier, reporter)
            with suppress(CatalogueChangedError):
                if signed is not None and signed.page() != sha256(index).hexdigest():
                    signed.sign_page(index, token)
                    break
                if holder.catalogue()[1] == token:
                    break
    return done


def has_page(remote: Remote) -> bool:
    """Return whether a remote has a page that was written here."""
    return isinstance(remote, FileRemote) and GENERATOR in (remote.page_file(START) or b"")


def _write(
    remote: FileRemote, entries: tuple[PublishedEntry, ...], site: Site, earlier: Index, reporter: Reporter
) -> tuple[PublishedPage, bytes]:
    """Write what differs from an earlier page; return what was written, and the new index."""
    known = {(*one.name, one.mark): one for one in earlier.bundles}
    there = {one.place for one in remote.pages()}
    maker = IndexMaker(revision=site.revision)
    new = []
    for entry in entries:
        summary = known.get((*entry.name, entry.document.sha256))
        if summary and there.issuperset(site.paths(*entry.name)):
            maker.keep(earlier, summary)
        else:
            new.append(entry)
    write = partial(_write_bundle, remote, site, reporter)
    for first in range(0, len(new), _AT_ONCE):
        some = new[first : first + _AT_ONCE]
        for entry, described in zip(some, all_of(in_parallel(write, some, threads=_AT_ONCE)), strict=True):
            if described is not None:
                maker.add(*described, entry.document.sha256)
    index = maker.made()
    files = site.of_all(index)
    for path, content in files.items():
        if remote.page_file(path) != content:
            remote.put_page_file(path, content)
    return PublishedPage(bundles=len(index.bundles), written=len(new)), files[INDEX]


def _write_bundle(
    remote: FileRemote, site: Site, reporter: Reporter, entry: PublishedEntry
) -> tuple[Described, dict[str, bytes]] | None:
    """Write the files about one bundle, and return them with what they tell; None if it cannot be described."""
    try:
        described = _described(remote, entry)
    except (IntegrityError, MissingBlobError) as error:
        reporter.warning(f"the page leaves out {entry.version} for {entry.platform}\n{error.as_text()}")
        return None
    files = site.of_bundle(described)
    for path, content in files.items():
        remote.put_page_file(path, content)
    return described, files


def _earlier(remote: FileRemote, revision: str, signed: str | None) -> Index:
    """Return the index that the last publisher wrote, an empty one if it is of another revision or malformed.

    Args:
        signed: the SHA-256 that it must have; None for any.
    """
    try:
        content = remote.page_file(INDEX)
        if content and signed is not None and sha256(content).hexdigest() != signed:
            return Index()
        index = Index.from_bytes(content) if content else Index()
    except (ValueError, RecursionError, IntegrityError):
        return Index()
    return index if index.revision == revision else Index()


def _described(remote: FileRemote, entry: PublishedEntry) -> Described:
    document = remote.bundle(entry)
    documents: dict[str, bytes] = {}
    if document.layers and (own := document.layers[-1]).kind == "manifest" and own.blob.size <= LARGEST_DOCUMENT:
        documents = documents_in_layer(b"".join(remote.read(own.blob)), own.frames, own.digest)
    return Described.by(document.entry, {one.digest: one.blob.size for one in document.layers}, documents)
