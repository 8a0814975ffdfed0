"""Remote files that are read by HTTP ranges (RFC 9110, section 14)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bundle.base.errors import NetworkError
from bundle.base.files import PartFile
from bundle.base.http.urls import redact

_BUFFER = 2**16

_TAIL = 2**16
"""Bytes of a file's end that opening it reads: the directory and the metadata of most wheels."""

_LARGEST_RANGE = 2**27
"""Bytes; the directory of the largest wheel has a hundredth of it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A range of a remote file."""

    content: bytes
    size: int
    """Of the whole file."""
    etag: str | None


class SizedReader(io.BufferedReader):
    """A buffered, seekable file that knows its size.

    Args:
        raw: what it reads from.
        size: in bytes.
    """

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw, _BUFFER)
        self.size = size
        self._turn = threading.Lock()

    def part(self, first: int, length: int) -> bytes:
        """Return some bytes from a position on, fewer at the end only; several threads may call this at once."""
        if isinstance(self.raw, _RangeFile):
            return self.raw.part(first, length)
        with self._turn:
            self.seek(first)
            return self.read(length)


def open_ranges(
    get_range: Callable[[str], Part | None], get_size: Callable[[], int | None], url: str
) -> SizedReader | None:
    """Open a file that is read range by range, None if its server answers with no ranges.

    Args:
        get_range: requests a range such as `-100` or `0-99`; None if the server answers with no ranges.
        get_size: requests the size of the file.
        url: its name in messages.
    """
    tail = get_range(f"-{_TAIL}")
    if tail is None and (size := get_size()):
        # Some servers know ranges, but not "the last bytes".
        tail = get_range(f"{max(0, size - _TAIL)}-{size - 1}")
    if tail is None:
        return None

    def read_range(start: int, end: int) -> bytes:
        part = get_range(f"{start}-{end - 1}")
        if part is None or (part.size, part.etag, len(part.content)) != (tail.size, tail.etag, end - start):
            raise NetworkError(f"{redact(url)} changed while it was read.", remedy="Run the same command again.")
        return part.content

    return SizedReader(_RangeFile(read_range, tail.size, tail.content), tail.size)


class _RangeFile(PartFile):
    """Reads ranges on demand.

    Args:
        read_range: returns the bytes from the first position up to, not including, the second.
        size: of the whole, in bytes.
        tail: its last bytes, already read.
    """

    def __init__(self, read_range: Callable[[int, int], bytes], size: int, tail: bytes = b"") -> None:
        super().__init__(size)
        self._read_range = read_range
        self._tail = tail

    def part(self, first: int, length: int) -> bytes:
        """Return some bytes, whatever the position."""
        end = min(first + length, self._size)
        tail_start = self._size - len(self._tail)
        if end <= first:
            return b""
        if first >= tail_start:
            return self._tail[first - tail_start : end - tail_start]
        if end - first > _LARGEST_RANGE:
            raise OSError(f"nothing in it may need {end - first} bytes at once")
        return self._read_range(first, min(end, tail_start)) + self._tail[: max(0, end - tail_start)]
