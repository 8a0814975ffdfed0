"""A wheel's core metadata without the wheel: beside it (PEP 658), or from the end of the remote file."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from bundle.artifacts.registries.metadata_file import LARGEST, metadata_in
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.artifacts.store.json_cache import JsonCache
from bundle.base.errors import IntegrityError
from bundle.base.http.client import NotFoundError
from bundle.base.http.ranges import SizedReader


class WheelMetadata:
    """The METADATA of remote wheels, cached by the wheel's sha256; safe to ask from several threads.

    Args:
        get: returns the content of an address; raises NotFoundError or NetworkError.
        local: returns the whole file by its sha256, if the cache has it.
        noticed: called with a file that has its size now.
        folder: a cache folder; gets `metadata/`.
    """

    def __init__(
        self,
        *,
        get: Callable[[str], bytes],
        open_remote: Callable[[str], SizedReader],
        local: Callable[[str], Path | None],
        noticed: Callable[[RemoteFile], None],
        folder: Path,
    ) -> None:
        self._get = get
        self._open = open_remote
        self._local = local
        self._noticed = noticed
        self._cache = MetadataCache(folder / "metadata")

    def of(self, file: RemoteFile) -> bytes:
        """Return the content of a wheel's METADATA.

        Raises:
            IntegrityError: the wheel, or the metadata file beside it, is broken.
            NetworkError: the registry did not answer.
        """
        if file.sha256 is None:
            return self._read(file)
        return self._cache.get(f"wheel {file.sha256}", lambda: self._read(file))

    def _read(self, file: RemoteFile) -> bytes:
        if file.sha256 and (path := self._local(file.sha256)):
            with path.open("rb") as whole:
                return metadata_in(whole, file.filename)
        if file.has_metadata:
            try:
                return self._beside(file)
            except NotFoundError:
                pass  # Some registries promise it for every file and have it for the newer ones; the wheel has it too.
        with self._open(file.url) as remote:
            self._noticed(file._replace(size=remote.size))
            return metadata_in(remote, file.filename)

    def _beside(self, file: RemoteFile) -> bytes:
        content = self._get(f"{file.url}.metadata")
        if file.metadata_sha256 and sha256(content).hexdigest() != file.metadata_sha256:
            raise IntegrityError(f"The registry's metadata file for {file.filename} does not match its hash.")
        if len(content) > LARGEST:
            raise IntegrityError(f"The registry's metadata file for {file.filename} has {len(content)} bytes.")
        return content


class MetadataCache:
    """Core metadata by the file or source that they describe."""

    def __init__(self, folder: Path) -> None:
        self._texts: JsonCache[str] = JsonCache(folder, _text)

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return the metadata of a key, which holds all that shapes them; make and keep them if they are missing."""
        return self._texts.get(key, lambda: make().decode("utf-8", errors="replace")).encode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
