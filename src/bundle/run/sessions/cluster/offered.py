"""The bundles of one version that the submitter has, for workers that lack theirs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry
from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.store.store import Store
from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.base.files import canonical_json
from bundle.base.http.client import Downloader
from bundle.model.records import to_json
from bundle.run.install.built_folder import BuiltFolder
from bundle.run.install.records import Records
from bundle.run.install.source import Offer, PlacedLayer, Source
from bundle.run.sessions.cluster.installed import InstalledBundle

PART = 2**22
"""Bytes that go through the scheduler at once."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """The bundles that a project has built."""

    root: Path
    catalogue: Path


@dataclass(frozen=True, kw_only=True)
class Description:
    """The contents of a bundle, as its worker gets them."""

    entry: Entry
    layers: tuple[PlacedLayer, ...]
    archives: tuple[ArchiveRecord, ...]
    """The one that has it as a whole, where it has no layers."""


class Offered:
    """Bundles by their platforms, and what workers may read of them.

    Args:
        bundles: each with its source.
    """

    def __init__(self, bundles: Mapping[str, tuple[Source, Offer]]) -> None:
        self.digests: Mapping[str, str] = {key: offer.digest for key, (_, offer) in bundles.items()}
        self._bundles = bundles
        self._described: dict[str, bytes] = {}
        self._containers: dict[str, set[str]] = {}
        self._turn = threading.Lock()

    def answer(self, wanted: Mapping[str, Any]) -> Any:
        """Return what a worker asks for: the description of a bundle as JSON text, or bytes of it.

        Args:
            wanted: a platform; for bytes also a container of it, the first byte and their number.

        Returns:
            At most `PART` bytes of a container; the error in place of what cannot be had.
        """
        try:
            source, _ = self._bundles[wanted["platform"]]
            contents = self._contents(wanted["platform"])
            if "container" not in wanted:
                return contents
            if wanted["container"] not in self._containers[wanted["platform"]]:
                raise IntegrityError(f"A worker asked for {wanted['container']!r:.80}, which is in no bundle.")
            return source.read(wanted["container"], int(wanted["first"]), min(int(wanted["length"]), PART))
        except BundleError as error:
            return {"error": error.as_json()}
        except (OSError, KeyError, ValueError) as error:
            return {"error": IntegrityError(f"The submitter cannot read the bundle: {error}").as_json()}

    def close(self) -> None:
        """Close the files that are open."""
        for source, _ in self._bundles.values():
            source.close()

    def _contents(self, platform: str) -> bytes:
        with self._turn:
            if platform not in self._described:
                source, offer = self._bundles[platform]
                contents = source.contents(offer)
                archives = (contents.archive,) if contents.archive else ()
                self._containers[platform] = {one.container for one in contents.layers} | {one.path for one in archives}
                told = Description(entry=contents.entry, layers=contents.layers, archives=archives)
                self._described[platform] = canonical_json(to_json(told))
            return self._described[platform]


def offered(version: str, records: Records, built: Built | None, store: Store, access: Access) -> Offered:
    """Return the bundles of a version that were installed or built here; an install counts before a build.

    Args:
        version: or a folder, which is one of the workers' machines.
    """
    found: dict[str, tuple[Source, Offer]] = {}
    if "/" in version or "\\" in version:
        return Offered(found)
    if built is not None and built.catalogue.is_file():
        source = BuiltFolder(
            built.root.as_uri(),
            built.catalogue.read_bytes(),
            Downloader(reporter=access.reporter, environ=access.environ),
        )
        for entry in Catalogue.load(built.catalogue).entries:
            if entry.version == version and any((built.root / one.path).is_file() for one in entry.archives):
                offer = Offer(version=version, platform=entry.platform, digest=entry.digest)
                found[entry.platform] = source, offer
    try:
        installed = records.find(version)
    except ConfigError:
        return Offered(found)
    # An archive without an index was installed without the digest of its content.
    if installed.mark.digest:
        bundle = InstalledBundle(installed, store, access.reporter)
        found[installed.mark.platform] = bundle, bundle.offers()[0]
    return Offered(found)
