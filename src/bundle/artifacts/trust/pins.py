"""Pinned roots: which sources this user reads only with their signed metadata, and what was seen of it.

The library for that metadata takes long to import, and most commands find that they need none.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.files import TIMESTAMP
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.base.errors import BundleError, ConfigError
from bundle.base.files import locked, read_regular
from bundle.base.http.urls import is_readable, local_path, redact
from bundle.base.staging import staged_folder, write_atomically

_PINNED = "pinned.json"
_METADATA = "metadata"
_REMEMBERED = ("timestamp.json", "snapshot.json", "targets.json")

_LARGEST = 2**19
"""Bytes of a root."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The root that vouches for a source."""

    source: str
    """The address, without credentials."""
    folder: Path
    """Where its trusted metadata is kept."""
    root: bytes
    access: Access

    @property
    def metadata(self) -> Path:
        """The folder with the metadata that was trusted last, as `tuf.ngclient` keeps it."""
        return self.folder / _METADATA

    @property
    def is_remembered(self) -> bool:
        """Whether it was used before, so that the folder is there."""
        return (self.folder / _PINNED).exists()

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Give the folder of trusted metadata; a new one stays only if the block ends well."""
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        with locked(lock, reporter=self.access.reporter, what=f"the trusted metadata of {self.source}"):
            if _read(self.folder / _PINNED) == self.root:
                yield self.metadata
                return
            with staged_folder(self.folder) as staging:
                known = staging / _METADATA
                known.mkdir()
                # What another root vouched for still tells of a rollback, if the same keys sign.
                for name in _REMEMBERED:
                    if content := _read(self.metadata / name):
                        (known / name).write_bytes(content)
                yield known
                (staging / _PINNED).write_bytes(self.root)

    def remember(self, files: dict[str, bytes]) -> None:
        """Take metadata that this process signed as the newest that was seen."""
        with self.opened() as folder:
            for name, content in files.items():
                write_atomically(folder / name, content)


def pin_of(address: str, access: Access) -> Pin | None:
    """Return the pin of a source: the root that the user names, else the remembered one; None if there is neither.

    Raises:
        ConfigError: the file that the user names holds no root.
    """
    if access.data is None or ("://" in address and not is_readable(address)):
        return None
    folder = access.data / "trust" / sha256(_identity(address).encode()).hexdigest()[:32]
    pinned = _read(folder / _PINNED)
    root = pinned if access.root is None else root_in(access.root)
    if root is None:
        return None
    history = (folder / _METADATA / "root_history").glob("*.json")
    if pinned is not None and root != pinned and root in map(_read, history):
        # A later version of the pinned root, which it has led to.
        root = pinned
    return Pin(source=redact(address), folder=folder, root=root, access=access)


def is_signed(remote: ReadableRemote) -> bool:
    """Return whether a source has signed metadata, whose root could be pinned; False if it does not answer."""
    with suppress(BundleError):
        return remote.metadata(TIMESTAMP, _LARGEST) is not None
    return False


def root_in(path: Path) -> bytes:
    """Return the root in a file.

    Raises:
        ConfigError: it holds none.
    """
    from tuf.api.exceptions import RepositoryError

    from bundle.artifacts.trust.metadata import read_root

    try:
        content = read_regular(path, most=_LARGEST)
        read_root(content)
    except (OSError, RepositoryError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"{path} holds no root of signed metadata: {why}.",
            remedy="Name the file that `bundle trust init` wrote, as you got it from the publisher in a safe way.",
        ) from error
    return content


def _identity(address: str) -> str:
    """Return the one form of the addresses of a source, without what may change from time to time."""
    if "://" not in address or address.lower().startswith("file:"):
        path = local_path(address) if "://" in address else None
        return f"file://{(path or Path(address)).expanduser().resolve()}"
    parts = urlsplit(address)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    port = f":{parts.port}" if parts.port and parts.port != _PORTS.get(scheme) else ""
    folder = posixpath.normpath(f"/{unquote(parts.path).lstrip('/')}")
    return f"{scheme}://{host}{port}{folder.rstrip('/')}"


def _read(path: Path) -> bytes | None:
    with suppress(OSError):
        return read_regular(path, most=_LARGEST)
    return None
