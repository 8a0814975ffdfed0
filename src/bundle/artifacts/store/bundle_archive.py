"""Archives of bundles: ordinary `.tar.zst`, `.tar.gz` and `.zip` files, put together from the layers' frames.

A `.tar.zst` ends in a skippable frame with the index of its layers, so that one layer can be fetched out of it. A
`.tar.gz` has no index: gzip has no room for one that every reader would pass over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundle.artifacts.store.frames import Frame, compressor_name, end_frame, index_frame, read_index_frame
from bundle.artifacts.store.layers import TOP, Layer
from bundle.artifacts.store.scratch import naming
from bundle.base.errors import IntegrityError
from bundle.base.files import sha256_of, staged_file, sweep_staging

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store

FORMATS = ("tar.zst", "tar.gz", "zip")
"""The formats of `build.archives`, each also the end of an archive's name."""

_FORMAT = 1

_CHUNK = 2**20

_ATTEMPTS = 3
"""How often a damaged frame is made again before the disk itself is to blame."""


@dataclass(frozen=True, kw_only=True)
class PackedArchive:
    """An archive that was written."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class IndexedLayer:
    """One layer as the index of a `.tar.zst` names it."""

    digest: str
    """SHA-256 of the uncompressed tar entries."""
    kind: str
    name: str
    version: str
    offset: int
    """Where its compressed bytes begin in the archive."""
    length: int
    """How many they are."""
    sha256: str
    """SHA-256 of the compressed bytes."""


def pack(store: Store, layers: Sequence[Layer], target: Path, *, format: str) -> PackedArchive:  # noqa: A002
    """Write an archive of layers; it appears whole or not at all, and what killed runs left beside it goes.

    Args:
        store: where the layers are; it keeps their compressed frames for the next time.
        layers: in lock order.
        target: the archive.
        format: one of `FORMATS`.

    Raises:
        ConfigError: the format is none of them.
        IntegrityError: a layer changed in the store.
    """
    sweep_staging(target.parent)
    if format == "zip":
        from bundle.artifacts.store.zip_archive import write_zip

        with naming(target), staged_file(target) as staging:
            write_zip(store, layers, staging)
            staging.chmod(0o644)
            digest, size = sha256_of(staging), staging.stat().st_size
        return PackedArchive(path=target, sha256=digest, size=size)
    compressor_name(format)
    with (
        naming(target),
        staged_file(target) as staging,
        staging.open("wb") as file,
        ThreadPoolExecutor(1) as pool,
    ):
        writer = _Writer(file, pool)
        index = _write_frames(store, layers, writer, format)
        writer.write(end_frame(format))
        if format == "tar.zst":
            writer.write(index_frame({"format": _FORMAT, "top": TOP, "layers": [vars(layer) for layer in index]}))
        staging.chmod(0o644)
    return PackedArchive(path=target, sha256=writer.sha256, size=writer.size)


class _Writer:
    """Writes an archive and hashes it, and each frame besides, on two cores."""

    def __init__(self, file: BinaryIO, pool: ThreadPoolExecutor) -> None:
        self._file = file
        self._pool = pool
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def copy(self, frame: Frame) -> bool:
        """Copy a frame; when its bytes are not what its record says, take it back and say False."""
        before, start = self._digest.copy(), self.size
        own = hashlib.sha256()
        pending: Future[None] | None = None
        with frame.path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                if pending is not None:
                    pending.result()
                pending = self._pool.submit(own.update, chunk)
                self.write(chunk)
        if pending is not None:
            pending.result()
        if own.hexdigest() == frame.sha256:
            return True
        self._digest, self.size = before, start
        self._file.seek(start)
        self._file.truncate()
        return False


def _write_frames(store: Store, layers: Sequence[Layer], writer: _Writer, format: str) -> list[IndexedLayer]:  # noqa: A002
    index: list[IndexedLayer] = []
    for layer, known in zip(layers, store.frames(layers, format), strict=True):
        frame = known
        for _ in range(_ATTEMPTS):
            start = writer.size
            if writer.copy(frame):
                break
            store.reject_frame(frame)
            frame = store.frames([layer], format)[0]
        else:
            raise IntegrityError(f"{frame.path} is damaged whenever it is written.", cause="The disk is failing.")
        index.append(
            IndexedLayer(
                digest=layer.digest,
                kind=layer.kind,
                name=layer.name,
                version=layer.version,
                offset=start,
                length=frame.size,
                sha256=frame.sha256,
            )
        )
    return index


def read_index(archive: Path) -> list[IndexedLayer]:
    """Return the layers of a `.tar.zst`, in the order in which they lie in it.

    Args:
        archive: as `pack` wrote it.

    Raises:
        IntegrityError: it does not end in an index, or in one that makes no sense.
    """
    with archive.open("rb") as file:
        text = read_index_frame(file)
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise ValueError(value["format"])
        return [IndexedLayer(**layer) for layer in value["layers"]]
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(f"The index of {archive} cannot be read.", cause=str(error)) from error


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive of any of the formats; it is hostile until proven.

    Args:
        archive: the file.
        target: a folder, which gets the top folder `python/`.

    Raises:
        IntegrityError: the archive is damaged, or tries to write elsewhere.
    """
    from bundle.base.extract import extract

    extract(archive, target)
