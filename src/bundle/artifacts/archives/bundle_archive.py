"""Archives of bundles: ordinary `.tar.zst`, `.tar.gz` and `.zip` files, put together from the layers' frames.

A `.tar.zst` ends in a skippable frame with the index of its layers and their frames, so that one layer can be fetched
out of it. A `.tar.gz` has no index: gzip has no room for one that every reader would pass over. Nor has a `.zip`: it
holds each path once, whichever layers have it, and a directory of its own. A `.sh` is a script that unpacks the
`.tar.gz` behind it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bundle.artifacts.archives.self_extracting import script
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.frames import Frames, end_frame
from bundle.artifacts.store.layers import TOP, Layer
from bundle.base.errors import IntegrityError, too_new
from bundle.base.files import CHUNK, PartFile, canonical_json, sha256_of
from bundle.base.staging import staged_file, sweep_staging
from bundle.model import revisions

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store

_SKIPPABLE = 0x184D2A50
"""RFC 8878, section 3.1.2: decompressors pass over a frame with this number."""

_FOOTER = struct.Struct("<I12s")
_FOOTER_MARK = b"bundle-index"

_LARGEST_INDEX = 2**26
"""Bytes; an index of a thousand layers has less than one million."""

_AHEAD = 8
"""Chunks that wait to be hashed."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class PackedArchive:
    """An archive that was written."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class IndexedFrame:
    """One frame as the index of a `.tar.zst` lists it."""

    offset: int
    """Where its compressed bytes begin in the archive."""
    length: int
    """Compressed bytes."""
    sha256: str
    """SHA-256 of the compressed bytes."""
    size: int
    """Uncompressed bytes."""


@dataclass(frozen=True, kw_only=True)
class IndexedLayer:
    """One layer as the index of a `.tar.zst` lists it."""

    digest: str
    """SHA-256 of the uncompressed tar entries of all frames together."""
    kind: str
    name: str
    version: str
    frames: tuple[IndexedFrame, ...]
    """One after the other in the archive, each with whole tar entries."""


def pack(
    store: Store, layers: Sequence[Layer], target: Path, compression: Compression, *, name: str = ""
) -> PackedArchive:
    """Write an archive of layers; it appears whole or not at all, and leftovers of killed runs beside it are removed.

    Args:
        store: where the layers are; it keeps their compressed frames for the next time.
        layers: in lock order.
        name: of the bundle, for the words of a self-extracting archive.

    Raises:
        DamagedLayerError: a layer changed in the store; it is removed.
    """
    sweep_staging(target.parent)
    with staged_file(target) as staging:
        if compression.format == "zip":
            from bundle.artifacts.archives.zip_archive import write_zip

            with store.dropping_damaged():
                write_zip(store, layers, staging, level=compression.level)
            digest, size = sha256_of(staging), staging.stat().st_size
        else:
            try:
                digest, size = _write_frames(store, layers, staging, compression, name, verified=False)
            except _OtherBytesError:
                # The store makes damaged frames anew when it verifies them.
                digest, size = _write_frames(store, layers, staging, compression, name, verified=True)
        staging.chmod(0o755 if compression.format == "sh" else 0o644)
    return PackedArchive(path=target, sha256=digest, size=size)


def _write_frames(
    store: Store, layers: Sequence[Layer], target: Path, compression: Compression, name: str, *, verified: bool
) -> tuple[str, int]:
    """Write an archive of frames; return its hash and its size.

    Args:
        verified: whether the store verifies the frames before they are copied, which compares them in any case.

    Raises:
        _OtherBytesError: frames do not have the hashes of their record.
    """
    framed = compression.framed or compression
    start = len(script(name, "0" * 64)) if compression.format == "sh" else 0
    with target.open("wb") as file, closing(_Writer(file)) as writer:
        file.seek(start)
        index = [
            asdict(_write_layer(layer, frames, writer))
            for layer, frames in zip(layers, store.frames(layers, framed, verified=verified), strict=True)
        ]
        writer.write(end_frame(framed))
        if compression.format == "tar.zst":
            writer.write(_index_frame({"format": revisions.ARCHIVE_INDEX, "top": TOP, "layers": index}))
        if not start:
            return writer.sha256, writer.size
        file.seek(0)
        file.write(script(name, writer.sha256))
    return sha256_of(target), start + writer.size


class _Writer:
    """Writes an archive, and hashes it in a thread of its own, which takes as long as all the rest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()
        self.size = 0

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def sha256(self) -> str:
        while self._pending:
            self._pending.popleft().result()
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._pending.append(self._pool.submit(self._digest.update, data))
        if len(self._pending) > _AHEAD:
            self._pending.popleft().result()
        self._file.write(data)
        self.size += len(data)


class _OtherBytesError(IntegrityError):
    """Frames in the store do not have the hashes of their record."""


def _write_layer(layer: Layer, frames: Frames, writer: _Writer) -> IndexedLayer:
    """Copy a layer's frames, and compare the copied bytes with their hashes."""
    indexed = []
    with frames.path.open("rb") as source:
        for frame in frames.frames:
            start, own = writer.size, hashlib.sha256()
            while chunk := source.read(min(CHUNK, start + frame.length - writer.size)):
                own.update(chunk)
                writer.write(chunk)
            if own.hexdigest() != frame.sha256:
                raise _OtherBytesError(
                    f"{frames.path} changed while it was copied.",
                    cause="Another process writes to the store, or the disk is failing.",
                    remedy="Run the same command again: it makes the damaged frames anew.",
                )
            indexed.append(IndexedFrame(offset=start, length=frame.length, sha256=frame.sha256, size=frame.size))
    return IndexedLayer(
        digest=layer.digest, kind=layer.kind, name=layer.name, version=layer.version, frames=tuple(indexed)
    )


def read_index(archive: Path) -> list[IndexedLayer]:
    """Return the layers of a `.tar.zst`, in the order in which they lie in it.

    The index is JSON: `format` is 2, `top` the one folder of the archive, `layers` a list of objects with `digest`,
    `kind`, `name`, `version` and `frames`, each frame an object with `offset`, `length`, `sha256` and `size` (see
    `IndexedFrame`). The frames of all layers follow each other from the start of the archive without a gap.

    Args:
        archive: as `pack` wrote it.

    Raises:
        IntegrityError: it does not end in an index, or in one that makes no sense.
    """
    with archive.open("rb") as file:
        return read_open_index(file, str(archive))


def read_open_index(file: BinaryIO, name: str) -> list[IndexedLayer]:
    """Return the layers of an open `.tar.zst`, as `read_index` does.

    Args:
        name: of the archive, for messages.
    """
    text = _read_index_frame(file)
    end = file.tell()
    try:
        value = json.loads(text)
        found, known = value["format"], revisions.ARCHIVE_INDEX
        if type(found) is int and found > known:
            raise too_new(f"The index of {name}", found, known)
        if found != known:
            raise ValueError(f"its format is {found}, not {known}")
        layers = [_indexed(layer) for layer in value["layers"]]
        position = 0
        for frame in (frame for layer in layers for frame in layer.frames):
            if frame.offset != position or frame.length < 1 or frame.size < 1 or position + frame.length > end:
                raise ValueError(f"no frame can be at {frame.offset}")
            position += frame.length
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"The index of {name} cannot be read.", cause=str(error)) from error
    return layers


def open_layer(archive: Path, layer: IndexedLayer) -> BinaryIO:
    """Open the frames of one layer in a `.tar.zst` as a file of their own."""
    first, length = layer.frames[0].offset, sum(frame.length for frame in layer.frames)
    return io.BufferedReader(_Section(archive.open("rb", buffering=0), first, length), CHUNK)


class _Section(PartFile):
    """A part of a file as a file."""

    def __init__(self, file: io.RawIOBase, first: int, length: int) -> None:
        super().__init__(length)
        self._file = file
        self._first = first

    def part(self, first: int, length: int) -> bytes:
        self._file.seek(self._first + first)
        return self._file.read(min(length, self._size - first)) or b""

    def close(self) -> None:
        self._file.close()
        super().close()


def bytes_before_index(archive: Path, layers: Sequence[IndexedLayer]) -> bytes:
    """Return the bytes between the last frame that the index names and the index; as `pack` writes it, an end marker.

    Args:
        layers: as `read_index` returned them.
    """
    with archive.open("rb") as file:
        end = file.seek(0, 2) - _FOOTER.size - len(_read_index_frame(file)) - 8
        start = max((frame.offset + frame.length for layer in layers for frame in layer.frames), default=0)
        file.seek(start)
        return file.read(max(0, end - start))


def _indexed(value: dict[str, Any]) -> IndexedLayer:
    frames = tuple(IndexedFrame(**frame) for frame in value.pop("frames"))
    layer = IndexedLayer(**value, frames=frames)
    if not frames or any(type(number) is not int for one in frames for number in (one.offset, one.length, one.size)):
        raise ValueError(f"the frames of {layer.name} are not described by numbers")
    for digest in (layer.digest, *(frame.sha256 for frame in frames)):
        if not _SHA256.fullmatch(digest):
            raise ValueError(f"{digest!r} is no SHA-256")
    return layer


def _index_frame(index: Mapping[str, Any]) -> bytes:
    """Return the skippable zstd frame that holds an archive's index.

    It ends in the length of its JSON and a mark, so that a client finds the index from the archive's end, which it can
    ask an HTTP server for.
    """
    text = canonical_json(index)
    content = text + _FOOTER.pack(len(text), _FOOTER_MARK)
    return struct.pack("<II", _SKIPPABLE, len(content)) + content


def _read_index_frame(file: BinaryIO) -> bytes:
    """Return the JSON of the index at the end of an archive."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _FOOTER.size))
    tail = file.read(_FOOTER.size)
    if len(tail) == _FOOTER.size:
        length, mark = _FOOTER.unpack(tail)
        start = size - _FOOTER.size - length - 8
        if mark == _FOOTER_MARK and start >= 0 and length <= _LARGEST_INDEX:
            file.seek(start)
            if file.read(8) == struct.pack("<II", _SKIPPABLE, length + _FOOTER.size):
                return file.read(length)
    raise IntegrityError(
        "The archive has no index of layers.", cause="It was not made by `bundle`, or its end is missing."
    )
