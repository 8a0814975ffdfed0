"""Take bundles out of a remote's catalogue, and remove what no catalogue entry names any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.artifacts.remotes.published import PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import CatalogueHolder, Remote, Stored
from bundle.artifacts.trust.named import named_by_metadata
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.base.text import did_you_mean
from bundle.base.threads import all_of, in_parallel
from bundle.make.publish.publish import change_catalogue

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What a collection removed, or would remove."""

    removed: tuple[Stored, ...]
    young: int
    """Blobs and documents that nothing names either, but that are younger than the grace period."""
    kept: int
    """Blobs and documents that the catalogue names."""

    @property
    def freed(self) -> int:
        """Bytes of all that was removed."""
        return sum(one.size for one in self.removed)


def unpublish(
    remote: Remote, version: str, platforms: Sequence[str], catalogue: CatalogueHolder | None = None
) -> tuple[PublishedEntry, ...]:
    """Remove the entries of a version on some platforms from the catalogue, and return them; blobs stay.

    Args:
        catalogue: what holds the catalogue, if that is not the remote alone.
        platforms: their keys; all if there are none, or `all`.

    Raises:
        ConfigError: the catalogue has no such bundle.
    """

    def change(before: PublishedCatalogue) -> PublishedCatalogue:
        there = [entry.platform for entry in before.bundles if entry.version == version]
        wanted = there if not platforms or "all" in platforms else platforms
        if missing := [key for key in wanted if key not in there] if there else [version]:
            unknown = "" if there else did_you_mean(version, before.versions())
            raise ConfigError(
                f"{remote.url} has no {version}" + (f" for {', '.join(missing)}." if there else "."),
                cause=f"It has it for {', '.join(there)}." if there else None,
                remedy=f"`bundle catalogue list --from URL` shows what is there.{unknown}",
            )
        return before.without(version, wanted)

    before, after = change_catalogue(catalogue or remote, change)
    return tuple(entry for entry in before.bundles if entry not in after.bundles)


def collect(remote: Remote, *, grace: float, reporter: Reporter, dry_run: bool = False) -> Collection:
    """Remove the blobs, documents, archives and pages that no entry of the catalogue names.

    A publisher renews what it relies on, so it is safe beside this one as long as it takes less than the grace period
    from there to its catalogue. The catalogue is read again after the listing, and each age right before the removal.

    Args:
        grace: seconds; what is younger stays.
        dry_run: only find out what would be removed.

    Raises:
        ConfigError: there is no catalogue.
        MissingBlobError: a document that the catalogue names is not there, so nothing tells which blobs are needed.
        IntegrityError: one is malformed.
    """
    with reporter.step("reading"):
        stored = list(remote.stored())
        needed = _needed(remote)
    orphans = [one for one in stored if (one.kind, one.name) not in needed]
    old = [one for one in orphans if one.age >= grace]
    if not dry_run:
        with reporter.task("removing", total=len(old)) as task:

            def remove(one: Stored) -> bool:
                task.advance()
                return remote.remove(one, younger_than=grace)

            gone = all_of(in_parallel(remove, old, threads=_AT_ONCE))
        old = [one for one, is_gone in zip(old, gone, strict=True) if is_gone]
    return Collection(removed=tuple(old), young=len(orphans) - len(old), kept=len(stored) - len(orphans))


def _needed(remote: Remote) -> set[tuple[str, str]]:
    """Return kind and name of everything that the catalogue and the signed metadata name."""
    files, signed = named_by_metadata(remote)
    catalogue, token = remote.catalogue()
    if token is None and not files:
        raise ConfigError(
            f"{remote.url} has no catalogue, so nothing tells what is needed; nothing was removed.",
            cause="The address is wrong, nothing was published there yet, or catalogue.json was removed.",
            remedy="`bundle publish VERSION --to URL` writes one; a remote that is not needed is removed whole.",
        )
    listed = (*catalogue.bundles, *signed.bundles)
    entries = {entry.document.sha256: entry for entry in listed}.values()
    documents = all_of(in_parallel(remote.bundle, entries, threads=_AT_ONCE))
    return {
        *(("metadata", name) for name in files),
        *(("blob", blob.sha256) for document in documents for blob in document.blobs),
        *(("document", entry.document.sha256) for entry in entries),
        *(("archive", archive.path) for entry in listed for archive in entry.archives),
        *(("page", "/".join(entry.name)) for entry in entries),
    }
