"""What the signed metadata of a remote names, so that a collection leaves it."""

from __future__ import annotations

from typing import Any

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata

from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.artifacts.trust.metadata import read_metadata
from bundle.base.errors import IntegrityError


def named_by_metadata(remote: ReadableRemote) -> tuple[set[str], PublishedCatalogue]:
    """Return the names of the files of the metadata, and the catalogue among them; both empty if there is none.

    Nothing is verified: what is named too much only stays.

    Raises:
        IntegrityError: something is missing or malformed, so nothing tells what is needed.
    """
    names: list[str] = []
    catalogue = PublishedCatalogue()
    try:
        if (found := read_metadata(remote, TIMESTAMP)) is not None:
            meta = Metadata[Any].from_bytes(found[0]).signed.snapshot_meta
            snapshot = _named(remote, f"{meta.version}.snapshot.json", names)
            meta = Metadata[Any].from_bytes(snapshot).signed.meta["targets.json"]
            targets = Metadata[Any].from_bytes(_named(remote, f"{meta.version}.targets.json", names)).signed.targets
            name = f"{targets[CATALOGUE].hashes['sha256']}.{CATALOGUE}"
            catalogue = PublishedCatalogue.from_bytes(_named(remote, name, names), name)
    except (RepositoryError, DownloadError, LookupError, AttributeError) as error:
        raise IntegrityError(
            f"The signed metadata of {remote.url} cannot be read: {error}.",
            cause="It was changed, or a part of it was removed.",
            remedy="Nothing was removed. `bundle trust show --from URL` tells more.",
        ) from error
    return set(names), catalogue


def _named(remote: ReadableRemote, name: str, names: list[str]) -> bytes:
    names.append(name)
    found = read_metadata(remote, name)
    if found is None:
        raise LookupError(f"{name} is missing")
    return found[0]
