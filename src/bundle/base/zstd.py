"""Decompression of zstd files on several cores, frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

import zstandard

_AHEAD = 32 * 2**20
"""Uncompressed bytes up to which a frame is decompressed as a whole, ahead of its use."""

_CHUNK = 2**20

_HEADER = 18
"""Bytes of the longest frame header (RFC 8878, section 3.1.1)."""

_MAGIC = b"\x28\xb5\x2f\xfd"

_SKIPPABLE = b"\x2a\x4d\x18"
"""The last three bytes of the magic numbers of skippable frames."""


class FrameReader:
    """Reads all frames of a file as one stream; small ones are decompressed ahead, several at once.

    Args:
        file: begins with a frame; seekable.
        threads: how many may decompress; memory holds one frame more than that.
    """

    def __init__(self, file: BinaryIO, *, threads: int) -> None:
        self._chunks = _chunks(file, max(1, threads))

    def read(self, _size: int, /) -> bytes:
        """Return the next bytes, as many as are at hand; none at the end.

        Raises:
            zstandard.ZstdError: the file is damaged.
        """
        return next(self._chunks, b"")


def _chunks(file: BinaryIO, threads: int) -> Iterator[bytes]:
    pending: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        start = file.tell()
        while (end := _end_of_frame(file, start)) is not None:
            size = _small_size(file, start, end)
            if size is None:
                while pending:
                    yield pending.popleft().result()
                yield from _streamed(_Part(file, start, end))
            elif size:
                file.seek(start)
                pending.append(pool.submit(_whole, file.read(end - start), size))
                if len(pending) > threads:
                    yield pending.popleft().result()
            start = end
        while pending:
            yield pending.popleft().result()
        # What is left is nothing, or no frame: the library says what is wrong with it.
        file.seek(start)
        yield from _streamed(file)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _small_size(file: BinaryIO, start: int, end: int) -> int | None:
    """Return the uncompressed bytes of a frame, 0 for a skippable one, None if it is large or does not say."""
    file.seek(start)
    head = file.read(_HEADER)
    if head[1:4] == _SKIPPABLE:
        return 0
    size = zstandard.get_frame_parameters(head).content_size
    return size if 0 < size <= _AHEAD and end - start <= 2 * _AHEAD else None


def _whole(frame: bytes, size: int) -> bytes:
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)


def _streamed(file: BinaryIO | _Part) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(cast("BinaryIO", file), read_across_frames=True)
    while chunk := reader.read(_CHUNK):
        yield chunk


def _end_of_frame(file: BinaryIO, start: int) -> int | None:
    """Return where the frame at a position ends; None if there is none, or not all of it."""
    size = file.seek(0, 2)
    file.seek(start)
    head = file.read(_HEADER)
    if head[1:4] == _SKIPPABLE and len(head) >= 8:
        end = start + 8 + int.from_bytes(head[4:8], "little")
        return end if end <= size else None
    if head[:4] != _MAGIC:
        return None
    try:
        position = start + zstandard.frame_header_size(head)
        checksum = zstandard.get_frame_parameters(head).has_checksum
    except zstandard.ZstdError:
        return None
    last = False
    while not last:
        file.seek(position)
        block = file.read(3)
        if len(block) < 3:
            return None
        value = int.from_bytes(block, "little")
        last = bool(value & 1)
        repeated = value >> 1 & 3 == 1  # One byte stands for all of the block.
        position += 3 + (1 if repeated else value >> 3)
    end = position + (4 if checksum else 0)
    return end if end <= size else None


class _Part:
    """One frame of a file, read forward."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._position = start
        self._end = end

    def read(self, size: int) -> bytes:
        self._file.seek(self._position)
        data = self._file.read(min(size, self._end - self._position))
        self._position += len(data)
        return data
