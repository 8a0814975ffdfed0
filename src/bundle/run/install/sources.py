"""The source at an address."""

from __future__ import annotations

import json
from pathlib import Path

from bundle.artifacts.remotes.addresses import Access, open_remote, require_address
from bundle.artifacts.remotes.published import LARGEST_CATALOGUE, PublishedCatalogue
from bundle.artifacts.trust.pins import pin_of
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.base.http.client import Downloader
from bundle.base.http.urls import local_path, redact
from bundle.run.install.built_folder import BuiltFolder
from bundle.run.install.published import Published
from bundle.run.install.source import Source

_FILES = ("http", "https", "file")
"""Schemes of addresses at which there may be the results of a build, too."""


def open_source(location: str, access: Access) -> Source:
    """Return the source at an address.

    All catalogues come in here. Where a root is pinned, only the catalogue that it vouches for is a source.

    Args:
        location: a URL, or the path of a folder.

    Raises:
        ConfigError: there is none, or the address is of another kind.
        NetworkError: it does not answer.
        IntegrityError: its catalogue is none, or is not what the pinned root vouches for.
    """
    require_address(location)
    address = (location if "://" in location else Path(location).absolute().as_uri()).rstrip("/")
    if (pin := pin_of(address, access)) is not None:
        from bundle.artifacts.trust.client import trusted_catalogue

        remote = open_remote(address, access)
        return Published(remote, trusted_catalogue(remote, pin), address, authenticated=True)
    if address.partition("://")[0].lower() not in _FILES:
        remote = open_remote(address, access)
        return Published(remote, remote.catalogue()[0], address)
    downloader = Downloader(reporter=access.reporter, offline=access.offline, environ=access.environ)
    content = _catalogue(address, downloader)
    if _is_published(content):
        catalogue = PublishedCatalogue.from_bytes(content, f"{redact(address)}/catalogue.json")
        return Published(open_remote(address, access), catalogue, address)
    return BuiltFolder(address, content, downloader)


def _catalogue(address: str, downloader: Downloader) -> bytes:
    folder = local_path(address)
    if folder is None:
        downloader.credentials.configure([address])
        return downloader.get(f"{address}/catalogue.json").content
    try:
        return read_regular(folder / "catalogue.json", most=LARGEST_CATALOGUE)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} has no bundles: there is no catalogue.json in it.",
            remedy="Name the folder that `bundle build --output` or `bundle publish` wrote.",
        ) from error


def _is_published(content: bytes) -> bool:
    """Return whether a catalogue is that of a remote, not of builds."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "published" in value
