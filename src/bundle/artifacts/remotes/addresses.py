"""The remote of an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundle.artifacts.remotes.files import FileRemote, ReadableFileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.object_store import EXTRAS, ObjectStore
from bundle.artifacts.remotes.registry import Registry
from bundle.artifacts.remotes.remote import ReadableRemote, ReadOnlyError, Remote
from bundle.artifacts.remotes.web import WebSite
from bundle.base.errors import ConfigError, NetworkError
from bundle.base.http.client import Downloader
from bundle.base.http.urls import is_readable, local_path, redact
from bundle.base.report import Reporter

_KINDS = "a folder, or an address that begins with s3://, gs://, az://, oci://, https://, http:// or file://"


@dataclass(frozen=True, kw_only=True)
class Access:
    """The way to remotes: environment, network, reports."""

    environ: Mapping[str, str] = field(repr=False)
    reporter: Reporter
    offline: bool = False
    """Whether the network may not be used; folders can be."""
    data: Path | None = None
    """The user's data folder, which remembers the roots of signed sources; None remembers nothing."""
    root: Path | None = None
    """The file with the root that the source must be signed by, in place of a remembered one."""


def open_remote(url: str, access: Access) -> ReadableRemote:
    """Return the remote at an address, or in a folder, to be read; nothing is read yet.

    Raises:
        ConfigError: no remote has such an address.
        NetworkError: it needs the network, which may not be used.
    """
    scheme = _scheme(url)
    if scheme in ("http", "https"):
        _require_network(url, access)
        return ReadableFileRemote(WebSite(url, Downloader(reporter=access.reporter, environ=access.environ)))
    return open_writable(url, access)


def open_writable(url: str, access: Access) -> Remote:
    """Return the remote at an address, or in a folder, to be read and written; nothing is read yet.

    Raises:
        ReadOnlyError: it can only be read.
        ConfigError: no remote has such an address.
        NetworkError: it needs the network, which may not be used.
    """
    scheme = _scheme(url)
    if scheme in (None, "file"):
        path = (local_path(url) if scheme else None) or Path(url).expanduser().absolute()
        if file := next((one for one in (path, *path.parents) if one.is_file()), None):
            why = "it" if file == path else str(file)
            raise ConfigError(f"{path} cannot be a folder: {why} is a file.", remedy=f"Give {_KINDS}.")
        return FileRemote(Folder(path, reporter=access.reporter))
    if scheme in ("http", "https"):
        raise ReadOnlyError(
            f"{redact(url)} can only be read.",
            cause="Web servers take no files over http(s)://.",
            remedy="Publish to the folder or the object store behind the server, such as s3://BUCKET/PATH.",
        )
    if scheme == "oci":
        _require_network(url, access)
        return Registry(url, access.environ, access.reporter)
    if scheme in EXTRAS:
        _require_network(url, access)
        return FileRemote(ObjectStore(url, access.environ))
    raise ConfigError(f"{redact(url)} is no address of a remote.", remedy=f"Give {_KINDS}.")


def require_address(url: str) -> None:
    """Refuse what names nothing, which a path would take for the current folder.

    Raises:
        ConfigError: the address is empty.
    """
    if not url.strip():
        raise ConfigError(
            "The address of the remote is empty.",
            cause="A variable that the command names is not set.",
            remedy=f"Give {_KINDS}; `.` is the current folder.",
        )


def _scheme(url: str) -> str | None:
    """Return the scheme of an address, None for the path of a folder."""
    require_address(url)
    scheme, separator, _ = url.partition("://")
    if separator and not is_readable(url):
        raise ConfigError(f"{redact(url)} is not an address.", remedy=f"Give {_KINDS}.")
    return scheme.lower() if separator else None


def _require_network(url: str, access: Access) -> None:
    if access.offline:
        raise NetworkError(
            f"{redact(url)} is needed, and --offline forbids the network.",
            remedy="Name a folder, such as a copy of the remote on a disk.",
        )
