"""Publish verified bundles: send the blobs that a remote lacks, then the documents, the catalogue last.

A blob that the remote holds already is relied on, and a collection (`bundle gc`) must not take it before the catalogue
names it. So old ones are renewed, which gives them the age zero, and right before the catalogue is written all are
looked for once more; what is gone is sent again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from bundle.artifacts.remotes.inspection import damaged
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue
from bundle.artifacts.remotes.remote import CatalogueChangedError, CatalogueHolder, Remote, Source
from bundle.base.report import Reporter, Task
from bundle.base.threads import all_of, in_parallel
from bundle.make.publish.candidates import Candidate

_AT_ONCE = 6
"""Blobs that are sent at the same time."""

_ATTEMPTS = 50
"""Times that the catalogue is merged and written; each failure means that another publisher succeeded."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published of one bundle, or would be."""

    version: str
    platform: str
    status: Literal["new", "replaced", "unchanged"]
    digest: str
    layers: int
    """Distinct blobs of the bundle."""
    sent: int
    """Those that the remote lacked; one that several bundles share counts for the first."""
    size: int
    """Compressed bytes of the bundle."""
    bytes_sent: int

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value of a report."""
        value = asdict(self)
        value["bytesSent"] = value.pop("bytes_sent")
        return value


def publish(
    candidates: Sequence[Candidate],
    remote: Remote,
    *,
    reporter: Reporter,
    catalogue: CatalogueHolder | None = None,
    dry_run: bool = False,
    repair: bool = False,
) -> list[Publication]:
    """Publish bundles; interrupted, the next call goes on with what is still missing.

    Args:
        catalogue: what holds the catalogue, if that is not the remote alone.
        dry_run: only find out what is missing.
        repair: read what the remote holds of these bundles, and count what is damaged there as missing.

    Raises:
        CatalogueChangedError: other publishers were faster each time.
        NetworkError: the remote does not answer.
    """
    holder = catalogue or remote
    before, _ = holder.catalogue()
    lacking = remote.lacking(_sources(candidates))
    if repair:
        lacking |= damaged(remote, _sources(candidates).keys() - lacking, reporter=reporter).keys()
    done = _publications(candidates, remote, before, lacking)
    if not dry_run:
        _send(candidates, lacking, remote, reporter)
        for candidate in candidates if repair else ():
            remote.put_bundle(candidate.document)
        change_catalogue(holder, lambda before: _merged(before, candidates, remote, reporter))
    return done


def change_catalogue(
    holder: CatalogueHolder, change: Callable[[PublishedCatalogue], PublishedCatalogue]
) -> tuple[PublishedCatalogue, PublishedCatalogue]:
    """Replace a catalogue by a changed one; where another process was first, change that one's.

    Args:
        change: returns the catalogue that follows another; called again for each attempt.

    Returns:
        The catalogue before and after.
    """
    attempt = 0
    while True:
        attempt += 1
        before, token = holder.catalogue()
        after = change(before)
        if after == before:
            return before, after
        try:
            holder.replace_catalogue(after, token)
        except CatalogueChangedError:
            if attempt == _ATTEMPTS:
                raise
            # Publishers that met once must not meet again.
            time.sleep(random.uniform(0, 0.05 * min(attempt, 20)))  # noqa: S311 - no secret
        else:
            return before, after


def _merged(
    catalogue: PublishedCatalogue, candidates: Sequence[Candidate], remote: Remote, reporter: Reporter
) -> PublishedCatalogue:
    """Return a catalogue with the candidates, whose blobs and documents are all there."""
    entries = {candidate.name: remote.entry_of(candidate.document) for candidate in candidates}
    missing = [candidate for candidate in candidates if entries[candidate.name] not in catalogue.bundles]
    if missing:
        _send(missing, remote.lacking(_sources(missing)), remote, reporter)
        for candidate in missing:
            _send_archives(candidate, catalogue, remote, reporter)
            remote.put_bundle(candidate.document)
    return catalogue.with_entries(entries[candidate.name] for candidate in missing)


def _send_archives(candidate: Candidate, catalogue: PublishedCatalogue, remote: Remote, reporter: Reporter) -> None:
    """Send the archives that the catalogue does not name as they are."""
    entry = candidate.document.entry
    known = catalogue.find(entry.version, entry.platform)
    for archive in entry.archives:
        if known is None or archive not in known.archives:
            with reporter.task(f"sending {archive.path}", total=archive.size, unit="bytes") as task:
                remote.put_archive(archive, partial(_told, candidate.archives[archive.path], task))


def _send(candidates: Sequence[Candidate], lacking: set[Blob], remote: Remote, reporter: Reporter) -> None:
    sources = _sources(candidates)
    remote.renew(blob for blob in sources if blob not in lacking)
    if not lacking:
        return
    # The largest first, so that none of them is sent alone at the end.
    ordered = sorted(lacking, key=lambda blob: (-blob.size, blob.sha256))
    total = sum(blob.size for blob in ordered)
    with reporter.task(f"sending {len(ordered)} layers", total=total, unit="bytes") as task:

        def send(blob: Blob) -> None:
            remote.send(blob, partial(_told, sources[blob], task))

        all_of(in_parallel(send, ordered, threads=_AT_ONCE))


def _told(source: Source, task: Task) -> Iterator[bytes]:
    for chunk in source():
        yield chunk
        task.advance(len(chunk))


def _sources(candidates: Iterable[Candidate]) -> dict[Blob, Source]:
    return {blob: source for candidate in candidates for blob, source in candidate.sources.items()}


def _publications(
    candidates: Sequence[Candidate], remote: Remote, before: PublishedCatalogue, lacking: set[Blob]
) -> list[Publication]:
    left = set(lacking)
    found = []
    for candidate in candidates:
        entry = remote.entry_of(candidate.document)
        known = before.find(entry.version, entry.platform)
        own = left.intersection(candidate.document.blobs)
        left -= own
        found.append(
            Publication(
                version=entry.version,
                platform=entry.platform,
                status="new" if known is None else "unchanged" if known == entry else "replaced",
                digest=entry.digest,
                layers=len(candidate.document.blobs),
                sent=len(own),
                size=entry.compressed,
                bytes_sent=sum(blob.size for blob in own),
            )
        )
    return found
