"""Compressed frames: pieces of an archive that any decompressor reads as one stream when they are put together."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from bundle.artifacts.store.layers import END_OF_TAR
from bundle.artifacts.store.scratch import naming
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import canonical_json, staged_file

FORMATS = ("tar.zst", "tar.gz")
"""The formats that are made of frames."""

_ZSTD_LEVEL = 9
_GZIP_LEVEL = 6

_SKIPPABLE = 0x184D2A50
"""RFC 8878, section 3.1.2: decompressors pass over a frame with this number."""

_FOOTER = struct.Struct("<I12s")
_FOOTER_MARK = b"bundle-index"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame on disk, and what its bytes must be."""

    path: Path
    sha256: str
    size: int


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _GzipMember:
    """One gzip member (RFC 1952) whose header says nothing of time or system.

    zlib makes it: it is slower than ISA-L, whose output depends on the processor, and archives must not.
    """

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._checksum = 0
        self._size = 0
        self._start = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"

    def compress(self, data: bytes, /) -> bytes:
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        start, self._start = self._start, b""
        return start + self._deflate.compress(data)

    def flush(self) -> bytes:
        end = struct.pack("<II", self._checksum, self._size % 2**32)
        start, self._start = self._start, b""
        return start + self._deflate.flush() + end


def compressor_name(format: str) -> str:  # noqa: A002 - the word of the configuration
    """Return what stands for the exact compressor of a format: another name may make other bytes.

    Args:
        format: one of `FORMATS`.

    Returns:
        A piece of a file name that ends in the format, such as `zstd-1.5.7-9.tar.zst`.

    Raises:
        ConfigError: the format is none of them.
    """
    if format == "tar.zst":
        import zstandard

        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        return f"zstd-{version}-{_ZSTD_LEVEL}.tar.zst"
    if format == "tar.gz":
        return f"zlib-{zlib.ZLIB_RUNTIME_VERSION}-{_GZIP_LEVEL}.tar.gz"
    raise ConfigError(f"{format!r} is no archive format.", remedy=f"Use one of {', '.join((*FORMATS, 'zip'))}.")


def _compressor(format: str, size: int, threads: int) -> _Compressor:  # noqa: A002
    if format == "tar.gz":
        return _GzipMember()
    import zstandard

    # With 1 thread or more the bytes are the same for any number, and others without; the size changes them, too.
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=max(1, threads), write_checksum=True)
    return compressor.compressobj(size=size)


def compress(chunks: Iterable[bytes], size: int, target: Path, *, format: str, threads: int) -> Frame:  # noqa: A002
    """Compress a stream into one frame, which appears whole or not at all.

    Args:
        chunks: the stream.
        size: its exact number of bytes.
        target: the file that appears.
        format: one of `FORMATS`.
        threads: how many may compress; they do not change the bytes.
    """
    digest = hashlib.sha256()
    written = 0
    with naming(target), staged_file(target) as staging, staging.open("wb") as file:
        compressor = _compressor(format, size, threads)
        for chunk in chunks:
            if part := compressor.compress(chunk):
                digest.update(part)
                written += file.write(part)
        part = compressor.flush()
        digest.update(part)
        written += file.write(part)
    return Frame(path=target, sha256=digest.hexdigest(), size=written)


def end_frame(format: str) -> bytes:  # noqa: A002
    """Return the frame with the tar end marker.

    Args:
        format: one of `FORMATS`.
    """
    compressor = _compressor(format, len(END_OF_TAR), 1)
    return compressor.compress(END_OF_TAR) + compressor.flush()


def index_frame(index: Mapping[str, Any]) -> bytes:
    """Return the skippable zstd frame that holds an archive's index.

    It ends in the length of its JSON and a mark, so that the index is found from the archive's end, which a client
    can ask an HTTP server for.

    Args:
        index: any JSON.
    """
    text = canonical_json(index)
    content = text + _FOOTER.pack(len(text), _FOOTER_MARK)
    return struct.pack("<II", _SKIPPABLE, len(content)) + content


def read_index_frame(file: BinaryIO) -> bytes:
    """Return the JSON of the index at the end of an archive.

    Args:
        file: the archive, seekable.

    Raises:
        IntegrityError: the file does not end in an index.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _FOOTER.size))
    tail = file.read(_FOOTER.size)
    if len(tail) == _FOOTER.size:
        length, mark = _FOOTER.unpack(tail)
        start = size - _FOOTER.size - length - 8
        if mark == _FOOTER_MARK and start >= 0:
            file.seek(start)
            if file.read(8) == struct.pack("<II", _SKIPPABLE, length + _FOOTER.size):
                return file.read(length)
    raise IntegrityError(
        "The archive has no index of layers.", cause="It is no .tar.zst of ours, or its end is missing."
    )
