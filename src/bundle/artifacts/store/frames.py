"""Compressed frames: independent pieces of an archive that any decompressor reads as one stream."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.json_cache import read_json, to_json
from bundle.artifacts.store.layers import END_OF_TAR, DamagedLayerError, Entry, TarEntry, tar_chunks, tar_entries
from bundle.artifacts.store.scratch import place_new, touch
from bundle.base.files import CHUNK, open_regular
from bundle.base.staging import naming
from bundle.base.threads import all_of, in_parallel
from bundle.model import revisions

if TYPE_CHECKING:
    from bundle.artifacts.store.paths import StorePaths
    from bundle.artifacts.store.trees import Listing
    from bundle.base.report import Reporter

FRAME_SIZE = 16 * 2**20
"""Uncompressed bytes that a frame holds at most, unless one entry alone is larger."""

_MOST_THREADS = 16
"""More would wait for the one thread that reads, and hold more frames in memory."""

_DATA, _RECORD = "data", "frames.json"


class Frame(NamedTuple):
    """One frame of a layer."""

    length: int
    """Compressed bytes."""
    sha256: str
    """SHA-256 of the compressed bytes."""
    size: int
    """Uncompressed bytes."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The frames of one layer, one after the other in one file."""

    path: Path
    frames: tuple[Frame, ...]

    @property
    def length(self) -> int:
        """Compressed bytes of all frames."""
        return sum(frame.length for frame in self.frames)


def compressor_name(compression: Compression) -> str:
    """Return the identity of a compressor, frame size included: another name may make other bytes.

    Returns:
        A piece of a file name that ends in the format, such as `zstd-1.5.7-3-16M.tar.zst`.
    """
    return f"{compression.library}-{compression.level}-{FRAME_SIZE >> 20}M.{compression.format}"


def end_frame(compression: Compression) -> bytes:
    """Return the frame with the tar end marker."""
    return compression.compress(END_OF_TAR)


def split(entries: Sequence[Entry], *, epoch: int) -> Iterator[list[TarEntry]]:
    """Divide a layer's sorted entries into frames by their sizes alone, so that every host divides them alike."""
    group: list[TarEntry] = []
    size = 0
    for entry in tar_entries(entries, epoch=epoch):
        if group and size + entry.size > FRAME_SIZE:
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size
    yield group


class FrameCompressor:
    """Compresses layers, several frames at once; its memory holds two frames more than it has threads.

    The number of threads does not change the bytes.
    """

    def __init__(self, compression: Compression, *, threads: int) -> None:
        self._compression = compression
        self._threads = max(1, min(threads, _MOST_THREADS))
        self._pool = ThreadPoolExecutor(self._threads)
        self._slots = BoundedSemaphore(self._threads + 2)

    def close(self) -> None:
        """Wait for the frames at work; those that did not begin are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def compress(self, tree: Path, listing: Listing, target: Path) -> tuple[Frame, ...]:
        """Write the frames of a layer into a file; several threads may call this at once.

        Raises:
            DamagedLayerError: the tree does not have the layer's digest.
        """
        whole = sha256()
        frames: list[Frame] = []
        pending: deque[tuple[int, Future[bytes]]] = deque()
        with target.open("wb") as file:

            def write_first() -> None:
                size, future = pending.popleft()
                data = future.result()
                file.write(data)
                frames.append(Frame(len(data), sha256(data).hexdigest(), size))

            for group in split(listing.entries, epoch=listing.epoch):
                size = sum(entry.size for entry in group)
                chunks = tar_chunks(tree, group)
                if size > FRAME_SIZE:
                    while pending:
                        write_first()
                    frames.append(self._stream(chunks, size, file, whole.update))
                    continue
                while pending and (pending[0][1].done() or len(pending) > self._threads):
                    write_first()
                self._slots.acquire()
                try:
                    data = b"".join(chunks)
                    future = self._pool.submit(self._compression.compress, data)
                except BaseException:
                    self._slots.release()
                    raise
                future.add_done_callback(lambda _: self._slots.release())
                pending.append((size, future))
                whole.update(data)
            while pending:
                write_first()
        if whole.hexdigest() != listing.digest:
            raise DamagedLayerError(listing.digest, f"{tree} has other bytes")
        return tuple(frames)

    def _stream(self, chunks: Iterator[bytes], size: int, file: BinaryIO, seen: Callable[[bytes], None]) -> Frame:
        """Write one frame that may not fit into memory."""
        # Several threads, because one frame is all that there is to do.
        compressor = self._compression.compressor(size, threads=self._threads)
        own, length = sha256(), 0

        def write(data: bytes) -> None:
            nonlocal length
            own.update(data)
            length += file.write(data)

        for chunk in chunks:
            seen(chunk)
            write(compressor.compress(chunk))
        write(compressor.flush())
        return Frame(length, own.hexdigest(), size)


class FrameCache:
    """The frames of layers, kept so that packing a known layer is a copy; each appears whole, by one rename.

    Args:
        work: gives a scratch folder on the store's file system.
        full: whether frames are decompressed and compared with their layer's digest when they are found.
    """

    def __init__(
        self, paths: StorePaths, *, work: Callable[[], AbstractContextManager[Path]], reporter: Reporter, full: bool
    ) -> None:
        self._full = full
        self._paths = paths
        self._work = work
        self._reporter = reporter

    def obtain(
        self,
        layers: Sequence[tuple[Path, Listing]],
        compression: Compression,
        *,
        threads: int,
        verified: bool = True,
    ) -> list[Frames]:
        """Return the frames of layers; those that are missing or damaged are made.

        Args:
            layers: the tree of each, and its listing.
            verified: whether every byte is read and compared, in place of the sizes.

        Raises:
            DamagedLayerError: a tree does not have its layer's digest.
        """
        compressor = compressor_name(compression)
        places = {listing.digest: self._paths.frames(listing.digest, compressor) for _, listing in layers}
        sound = partial(self._sound, full=verified)
        found = dict(zip(places, all_of(in_parallel(sound, places.values(), threads=threads)), strict=True))
        missing = {listing.digest: (tree, listing) for tree, listing in layers if found[listing.digest] is None}
        if missing:
            frame_compressor = FrameCompressor(compression, threads=threads)
            with self._reporter.task("compressing layers", total=len(missing)) as task:

                def make(layer: tuple[Path, Listing]) -> Frames:
                    made = self._make(frame_compressor, *layer, places[layer[1].digest])
                    task.advance()
                    return made

                try:
                    made = all_of(in_parallel(make, missing.values(), threads=threads))
                finally:
                    frame_compressor.close()
            found |= dict(zip(missing, made, strict=True))
        return [frames for _, listing in layers if (frames := found[listing.digest])]

    def _make(self, compressor: FrameCompressor, tree: Path, listing: Listing, place: Path) -> Frames:
        with self._work() as work, naming(place):
            folder = work / "frames"
            folder.mkdir()
            frames = compressor.compress(tree, listing, folder / _DATA)
            (folder / _RECORD).write_bytes(to_json([revisions.FRAME, place.name], frames))
            if not place_new(folder, place) and not self._sound(place):
                folder.rename(place)
        return Frames(path=place / _DATA, frames=frames)

    def _sound(self, place: Path, *, full: bool = True) -> Frames | None:
        problem = frames_damage(place, full=full, content=self._full)
        if problem is None and (frames := read_frames(place)):
            touch(place / _RECORD)
            return frames
        if place.exists():
            self._reporter.warning(f"A compressed layer in the store is damaged and is made again: {problem}.")
            with self._work() as work, suppress(FileNotFoundError):
                place.rename(work / "dropped")
        return None


def read_frames(place: Path) -> Frames | None:
    """Return the frames that a folder's record names, unread; None if the record is missing or damaged."""

    def read(value: list[Any]) -> Frames:
        frames = tuple(Frame(*frame) for frame in value)
        if any(tuple(map(type, frame)) != (int, str, int) or min(frame.length, frame.size) < 1 for frame in frames):
            raise ValueError("no frames")
        return Frames(path=place / _DATA, frames=frames)

    return read_json(place / _RECORD, [revisions.FRAME, place.name], read)


def frames_damage(place: Path, *, full: bool, content: bool = False) -> str | None:
    """Return the damage of a layer's frames, or None.

    Args:
        full: read every byte, in place of looking at the size.
        content: decompress them as well, and compare them with the digest of the layer.
    """
    frames = read_frames(place)
    if frames is None:
        return f"the record of {place} cannot be read"
    try:
        with open_regular(frames.path) as file:
            if file.seek(0, 2) != frames.length:
                return f"{frames.path} does not have its {frames.length} bytes"
            file.seek(0)
            if full and any(_sha256(file, frame.length) != frame.sha256 for frame in frames.frames):
                return f"{frames.path} has other bytes"
            file.seek(0)
            if content and _content_digest(file, place.suffix) != place.name.partition(".")[0]:
                return f"{frames.path} has the content of another layer"
    except OSError:
        return f"{frames.path} is missing"
    return None


def _content_digest(file: BinaryIO, suffix: str) -> str | None:
    """Return the SHA-256 of what all frames hold, None if they are damaged."""
    from gzip import GzipFile

    from zstandard import ZstdError

    from bundle.base.zstd import FrameReader

    digest = sha256()
    reader = FrameReader(file, threads=1) if suffix == ".zst" else GzipFile(fileobj=file)
    try:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
    except (ZstdError, OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _sha256(file: BinaryIO, length: int) -> str:
    digest = sha256()
    while length and (chunk := file.read(min(CHUNK, length))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()
