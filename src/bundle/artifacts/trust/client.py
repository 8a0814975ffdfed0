"""The catalogue of a source as its pinned root vouches for it, by the client workflow of TUF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from bundle.artifacts.documents.page.site import INDEX
from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.artifacts.trust.attacks import TrustError, refusals
from bundle.artifacts.trust.metadata import LARGEST, read_metadata, require_unambiguous
from bundle.artifacts.trust.pins import Pin
from bundle.base.http.responses import ForbiddenError

_BASE = "remote:/"


class _Fetcher(FetcherInterface):
    """Reads metadata by the house's own ways to remotes, which bound sizes and times and hold the credentials."""

    def __init__(self, remote: ReadableRemote) -> None:
        self._remote = remote
        self.last = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.last = url.removeprefix(_BASE)
        try:
            found = read_metadata(self._remote, self.last)
        except ForbiddenError:
            # Stores behind web servers say this of what is not there; only the newest root is asked for in vain.
            if not self.last.endswith(".root.json"):
                raise
            found = None
        if found is None:
            raise DownloadHTTPError(f"{self.last} is missing", 404)
        return iter([found[0]])


def trusted_catalogue(remote: ReadableRemote, pin: Pin) -> PublishedCatalogue:
    """Return the catalogue of a source, and remember what was trusted for the next time; see `trusted`."""
    return trusted(remote, pin)[0]


def trusted(remote: ReadableRemote, pin: Pin) -> tuple[PublishedCatalogue, str]:
    """Return the catalogue of a source and the SHA-256 of its page's index, which is empty if none is signed.

    Raises:
        TrustError: the root does not vouch for what is there.
        NetworkError: the source does not answer.
    """
    fetcher = _Fetcher(remote)
    with pin.opened() as folder:
        with refusals(pin.source, lambda: fetcher.last):
            content, page = _fetch(folder, fetcher, pin)
        require_unambiguous(content, f"The catalogue of {pin.source}")
        return PublishedCatalogue.from_bytes(content, f"The catalogue of {pin.source}"), page


def _fetch(folder: Path, fetcher: _Fetcher, pin: Pin) -> tuple[bytes, str]:
    config = UpdaterConfig(
        root_max_length=LARGEST["root.json"],
        timestamp_max_length=LARGEST[TIMESTAMP],
        snapshot_max_length=LARGEST["snapshot.json"],
        targets_max_length=LARGEST["targets.json"],
    )
    updater = Updater(str(folder), _BASE, fetcher=fetcher, config=config, bootstrap=pin.root)
    updater.refresh()
    target = updater.get_targetinfo(CATALOGUE)
    if target is None or "sha256" not in target.hashes:
        raise TrustError(f"The metadata of {pin.source} names no catalogue.")
    content = fetcher.download_bytes(f"{_BASE}{target.hashes['sha256']}.{CATALOGUE}", LARGEST[CATALOGUE])
    target.verify_length_and_hashes(content)
    page = updater.get_targetinfo(INDEX)
    return content, page.hashes.get("sha256", "") if page else ""
