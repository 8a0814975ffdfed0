"""A file that is read piece by piece from somewhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 2**16


class SizedReader(io.BufferedReader):
    """A buffered, seekable file that knows its size.

    Args:
        raw: what it reads from.
        size: in bytes.
    """

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw, _BUFFER)
        self.size = size


class RangeFile(io.RawIOBase):
    """Reads ranges when they are asked for.

    Args:
        read_range: returns the bytes from the first position up to, not including, the second.
        size: of the whole, in bytes.
        tail: its last bytes, already at hand: the directory of a zip file is there.
    """

    def __init__(self, read_range: Callable[[int, int], bytes], size: int, tail: bytes = b"") -> None:
        self._read_range = read_range
        self._size = size
        self._tail = tail
        self._position = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any position can be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"there is no position {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readall(self) -> bytes:
        """Return everything from the position on, in as few pieces as possible."""
        pieces = []
        while piece := self.read(max(0, self._size - self._position)):
            pieces.append(piece)
        return b"".join(pieces)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer from the position on, as far as there is something."""
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._size)
        if end <= self._position:
            return 0
        tail_start = self._size - len(self._tail)
        if self._position >= tail_start:
            data = self._tail[self._position - tail_start : end - tail_start]
        else:
            data = self._read_range(self._position, min(end, tail_start))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
