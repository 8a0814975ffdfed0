"""The compressors of archives, each the same bytes on every machine."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Protocol

from bundle.base.errors import ConfigError

_LEVELS = {
    "tar.zst": {"fast": 1, "default": 3, "small": 19},
    "tar.gz": {"fast": 1, "default": 6, "small": 9},
    "zip": {"fast": 1, "default": 6, "small": 9},
    "sh": {"fast": 1, "default": 6, "small": 9},
}

FORMATS = tuple(_LEVELS)
"""The formats of `build.archives`, each also the end of an archive's name."""


class Compressor(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take data; return what is ready."""

    def flush(self) -> bytes:
        """Return the rest."""


@dataclass(frozen=True, kw_only=True)
class Compression:
    """How an archive is compressed.

    Raises:
        ConfigError: the format or the effort is unknown.
    """

    format: str
    """One of `FORMATS`."""
    effort: str = "default"
    """`build.compression`."""

    def __post_init__(self) -> None:
        """Refuse what has no level."""
        if self.format not in _LEVELS:
            raise ConfigError(f"{self.format!r} is not an archive format.", remedy=f"Use one of {', '.join(_LEVELS)}.")
        if self.effort not in _LEVELS[self.format]:
            raise ConfigError(
                f"{self.effort!r} is no compression.", remedy=f"Use one of {', '.join(_LEVELS[self.format])}."
            )

    @property
    def level(self) -> int:
        """The level of the library."""
        return _LEVELS[self.format][self.effort]

    @property
    def framed(self) -> Compression | None:
        """The compression of the archive's frames; None for a format without frames."""
        if self.format == "zip":
            return None
        return replace(self, format="tar.gz") if self.format == "sh" else self

    @property
    def library(self) -> str:
        """The library and its version, such as `zstd-1.5.7`."""
        if self.format == "tar.zst":
            import zstandard

            return f"zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}"
        return f"zlib-{zlib.ZLIB_RUNTIME_VERSION}"

    def compressor(self, size: int, *, threads: int = 0) -> Compressor:
        """Return the compressor of one frame.

        Args:
            size: of the frame's content, in bytes.
            threads: from 1 on their number does not change the bytes; 0 does.
        """
        if self.format != "tar.zst":
            return _GzipMember(self.level)
        import zstandard

        return zstandard.ZstdCompressor(level=self.level, threads=threads, write_checksum=True).compressobj(size=size)

    def compress(self, data: bytes) -> bytes:
        """Return a whole frame."""
        compressor = self.compressor(len(data))
        return compressor.compress(data) + compressor.flush()


class _GzipMember:
    """One gzip member (RFC 1952) whose header holds neither time nor system.

    zlib makes it: it is slower than ISA-L, whose output depends on the processor, and archives must not.
    """

    def __init__(self, level: int) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
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
