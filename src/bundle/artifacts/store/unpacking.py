"""Layers out of their compressed frames, which come from elsewhere: as hostile as any archive.

A layer's tar stream has one form (`layers.tar_entries`), so an entry in any other form is refused: with that, devices,
hard links, owners, doubled and unsorted paths are refused as well.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Protocol

from bundle.artifacts.store.layers import TOP, Entry, EntryKind, path_order, tar_entries
from bundle.base.errors import IntegrityError
from bundle.base.extract import HARMLESS, RATIO
from bundle.base.filenames import climbs, path_obstacle, text_obstacle, windows_obstacle
from bundle.base.files import CHUNK

if TYPE_CHECKING:
    import hashlib

MOST_ENTRIES = 200_000
"""Files, folders and links that a layer may have; a bundle of 400 packages has less than half as many."""

_BLOCK = 512

_LONGEST_RECORDS = 2**14
"""Bytes of the extended header of an entry: two paths and a size."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_KINDS: dict[bytes, EntryKind] = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "symlink"}

_QUEUED = 8
"""Pieces of a stream that wait to be hashed."""

Put = Callable[[Entry, Iterator[bytes], int], None]
"""Takes an entry, whose `sha256` is not known yet, the content of a file, which it need not read, and the time."""


class CompressedFrame(Protocol):
    """One frame, as a record or an index describes it."""

    @property
    def length(self) -> int:
        """Compressed bytes."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the compressed bytes."""

    @property
    def size(self) -> int:
        """Uncompressed bytes."""


def unpack(file: BinaryIO, frames: Sequence[CompressedFrame], digest: str, put: Put, *, name: str) -> int:
    """Read a layer from its zstd frames, and hand on each entry.

    What was handed on counts only when the call returns: then all bytes are those of the digest.

    Args:
        file: begins with the frames, and holds nothing else.
        digest: of the layer.
        name: of the layer, for messages.

    Returns:
        The modification time of its files, in seconds since 1970.

    Raises:
        IntegrityError: the bytes are others than promised, or an entry is unsafe.
    """
    from zstandard import ZstdError

    from bundle.base.zstd import FrameReader

    size, length = sum(frame.size for frame in frames), sum(frame.length for frame in frames)
    if size > max(HARMLESS, RATIO * length):
        _refuse(name, f"{length} bytes would become {size}")
    _check_frames(file, frames, name)
    file.seek(0)
    with ThreadPoolExecutor(1) as pool:
        stream = _Stream(FrameReader(file, threads=2), size, name, pool)
        try:
            epoch = _read_entries(stream, put, name)
        except (ZstdError, MemoryError) as error:
            _refuse(name, f"it cannot be decompressed: {error}")
        except FileExistsError as error:
            _refuse(name, f"{error.filename} exists already: this file system takes two of its names for one")
        if (found := stream.digest()) != digest:
            _refuse(name, f"its digest is {found}, not {digest}")
    return epoch


def entry_obstacle(entry: Entry) -> str | None:
    """Return why an entry is unsafe in itself, None if it is not."""
    parts = entry.path.split("/")
    if obstacle := path_obstacle(entry.path):
        return f"its path {obstacle}"
    if not {"", "."}.isdisjoint(parts):
        return "its path is not in its plain form"
    if os.name == "nt" and (why := next(filter(None, map(windows_obstacle, parts)), None)):
        return why
    if entry.kind == "symlink" and (climbs(entry.path, entry.target or "") or text_obstacle(entry.target or "")):
        return f"it is a link to {entry.target!r}, which is or may be outside"
    return None


def write_file(path: str, entry: Entry, chunks: Iterable[bytes], *, epoch: int) -> None:
    """Write the content of a file where nothing is, with its mode and time."""
    file = os.open(path, _CREATE, entry.mode)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(file, view) :]
        if hasattr(os, "fchmod"):
            os.fchmod(file, entry.mode)
        if os.utime in os.supports_fd:
            os.utime(file, (epoch, epoch))
    except OSError as error:
        error.filename = error.filename or path  # Of a file that is open, the system names none.
        raise
    finally:
        os.close(file)
    if os.utime not in os.supports_fd:
        os.utime(path, (epoch, epoch))


class TreeWriter:
    """Writes the entries of a layer below a folder, and lists them.

    Args:
        tree: a folder that does not exist.
    """

    def __init__(self, tree: Path) -> None:
        self._root = os.fspath(tree)
        self._entries: list[Entry] = []
        tree.mkdir()
        tree.chmod(0o755)

    def put(self, entry: Entry, chunks: Iterator[bytes], epoch: int) -> None:
        """Write a file, or make a folder; links are made last, so that nothing is written through one."""
        place = f"{self._root}/{entry.path}"
        if entry.kind == "file":
            digest = sha256()
            write_file(place, entry, _hashed(chunks, digest), epoch=epoch)
            entry = entry._replace(sha256=digest.hexdigest())
        elif entry.kind == "folder":
            os.mkdir(place)  # noqa: PTH102 - a path object for each of thousands of files is slow
            os.chmod(place, entry.mode)  # noqa: PTH101 - under any umask
        self._entries.append(entry)

    def finish(self) -> tuple[Entry, ...]:
        """Make the links; return all entries, sorted, with hashes."""
        for entry in self._entries:
            if entry.kind == "symlink":
                os.symlink(entry.target or "", f"{self._root}/{entry.path}")  # noqa: PTH211
        return tuple(self._entries)


def _hashed(chunks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _check_frames(file: BinaryIO, frames: Sequence[CompressedFrame], name: str) -> None:
    file.seek(0)
    for number, frame in enumerate(frames, 1):
        digest, left = sha256(), frame.length
        while left and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        if left or digest.hexdigest() != frame.sha256:
            _refuse(name, f"its frame {number} has other bytes than its index says")
    if file.read(1):
        _refuse(name, "there is more of it than its index says")


class _Stream:
    """Uncompressed bytes, of exactly one length; another thread hashes them."""

    def __init__(self, source: Readable, size: int, name: str, pool: ThreadPoolExecutor) -> None:
        self._source = source
        self._left = size
        self._name = name
        self._pool = pool
        self._digest = sha256()
        self._queued: list[Future[None]] = []
        self._chunk = memoryview(b"")

    def digest(self) -> str:
        """Return the SHA-256 of the whole stream."""
        if self._left or self._source.read(1):
            _refuse(self._name, "it is longer or shorter than its index says")
        for future in self._queued:
            future.result()
        return self._digest.hexdigest()

    def ended(self) -> bool:
        """Return whether nothing is left."""
        return not self._chunk and not self._fill()

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        if len(self._chunk) >= size:
            data, self._chunk = self._chunk[:size], self._chunk[size:]
            return bytes(data)
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes, as they are at hand."""
        while size:
            if not self._chunk and not self._fill():
                _refuse(self._name, "it ends in the middle of an entry")
            piece, self._chunk = self._chunk[:size], self._chunk[size:]
            size -= len(piece)
            yield bytes(piece)

    def _fill(self) -> bool:
        chunk = self._source.read(CHUNK)
        self._left -= len(chunk)
        if self._left < 0:
            _refuse(self._name, "it is longer than its index says")
        if len(self._queued) >= _QUEUED:
            self._queued.pop(0).result()
        self._queued.append(self._pool.submit(self._digest.update, chunk))
        self._chunk = memoryview(chunk)
        return bool(chunk)


class Readable(Protocol):
    """Gives bytes, fewer than were asked for only where there are no more at hand."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes; none at the end."""


def _read_entries(stream: _Stream, put: Put, name: str) -> int:
    reader = _Headers(name)
    reader.top(stream)
    folders = {""}
    before = b""
    count = 0
    while not stream.ended():
        entry = reader.next(stream)
        order, above = path_order(entry.path), entry.path.rpartition("/")[0]
        count += 1
        why = entry_obstacle(entry)
        if order <= before:
            why = "it comes twice, or not in its place"
        elif above not in folders:
            why = f"{above!r} is no folder of the layer"
        elif count > MOST_ENTRIES:
            why = f"there are more than {MOST_ENTRIES} entries"
        if why:
            _refuse(name, f"the entry {entry.path!r:.200} was refused because {why}")
        before = order
        if entry.kind == "folder":
            folders.add(entry.path)
        content = stream.pieces(entry.size)
        put(entry, content, reader.epoch)
        for _ in content:
            pass
        if any(stream.take(-entry.size % _BLOCK)):
            _refuse(name, f"the entry {entry.path!r:.200} is followed by something else than padding")
    return reader.epoch


class _Headers:
    """Reads the headers of entries, and compares them with those that a layer has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._plain: dict[tuple[EntryKind, bool], bytes] = {}
        self.epoch = 0

    def top(self, stream: _Stream) -> None:
        """Read the header of the top folder, whose time is that of all entries."""
        header = stream.take(_BLOCK)
        self.epoch = int(self._parsed(header).mtime)
        if header != next(tar_entries((), epoch=self.epoch)).header:
            self._refuse_form(TOP)

    def next(self, stream: _Stream) -> Entry:
        """Read the headers of one entry."""
        header = stream.take(_BLOCK)
        return self._usual(header) or self._extended(header, stream)

    def _usual(self, header: bytes) -> Entry | None:
        """Return the entry of a header that needs no records, None if it may be another one.

        It is compared with a header of the same kind from the library, which takes a tenth of the time of making it.
        """
        kind = _KINDS.get(header[156:157])
        if kind is None:
            return None
        executable = header[100:107] == b"0000755" and kind == "file"
        model = self._plain.get((kind, executable))
        if model is None:
            entry = Entry("a", kind, executable, 0, None, "a" if kind == "symlink" else None)
            _, tar_entry = tar_entries([entry], epoch=self.epoch)
            model = self._plain[kind, executable] = tar_entry.header
        try:
            path = header[:100].rstrip(b"\0").decode("ascii")
            target = header[157:257].rstrip(b"\0").decode("ascii")
            size = int(header[124:135], 8)
        except ValueError:
            return None
        checksum = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:]))
        fixed = header[100:124] == model[100:124] and header[136:148] == model[136:148] and header[257:] == model[257:]
        own = header[124:136] == b"%011o\0" % size and header[148:156] == checksum
        bare = "\0" not in path + target and bool(target) == (kind == "symlink") and (kind == "file" or not size)
        folder = path.endswith("/")
        prefixed = path.startswith(f"{TOP}/") and folder == (kind == "folder")
        if not (fixed and own and bare and prefixed):
            return None
        return Entry(path[len(TOP) + 1 : -1 if folder else None], kind, executable, size, None, target or None)

    def _extended(self, header: bytes, stream: _Stream) -> Entry:
        """Return the entry of a header in any of the forms that the library writes."""
        whole = header
        records: dict[str, str] = {}
        if header[156:157] == tarfile.XHDTYPE:
            size = self._parsed(header).size
            if not 0 < size <= _LONGEST_RECORDS:
                self._refuse_form("an extended header")
            content = stream.take(-(-size // _BLOCK) * _BLOCK)
            records = self._records(content[:size])
            header = stream.take(_BLOCK)
            whole += content + header
        info = self._parsed(header)
        kind = _KINDS.get(info.type)
        path = records.get("path", info.name).removeprefix(f"{TOP}/").rstrip("/")
        if kind is None:
            _refuse(
                self._name, f"the entry {path!r:.200} was refused because it is neither a file, a folder nor a link"
            )
        text = records.get("size", str(info.size))
        size = int(text) if text.isdecimal() and len(text) < 16 else -1
        target = records.get("linkpath", info.linkname) if kind == "symlink" else None
        entry = Entry(path, kind, kind == "file" and info.mode == 0o755, size if kind == "file" else 0, None, target)
        if obstacle := entry_obstacle(entry):
            _refuse(self._name, f"the entry {path!r:.200} was refused because {obstacle}")
        *_, expected = tar_entries([entry], epoch=self.epoch)
        if size < 0 or expected.header != whole:
            self._refuse_form(path)
        return entry

    def _parsed(self, header: bytes) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.TarError, ValueError, OverflowError) as error:
            _refuse(self._name, f"a header of its tar stream is damaged ({error})")

    def _records(self, content: bytes) -> dict[str, str]:
        """Read the records of an extended header (POSIX.1-2008, pax): length, blank, name, `=`, value, newline."""
        found = {}
        try:
            while content:
                number = int(content[: content.index(b" ")])
                record, content = content[:number], content[number:]
                name, _, value = record.partition(b" ")[2].decode().removesuffix("\n").partition("=")
                found[name] = value
                if number < 1:
                    raise ValueError("a record without length")
        except ValueError as error:
            _refuse(self._name, f"an extended header of its tar stream is damaged ({error})")
        return found

    def _refuse_form(self, path: str) -> NoReturn:
        _refuse(
            self._name, f"the entry {path!r:.200} is not in the form of a layer: owner, mode, time or header are others"
        )


def _refuse(name: str, why: str) -> NoReturn:
    raise IntegrityError(
        f"The layer {name} was refused: {why}.",
        cause="It was damaged or changed on its way, or is not what its catalogue promises.",
        remedy="Fetch it again; if that does not help, ask the person who publishes it.",
    )
