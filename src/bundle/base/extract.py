"""Safe extraction of tar and zip archives."""

from __future__ import annotations

import bz2
import calendar
import errno
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tarfile import ReadError
from typing import BinaryIO, Protocol, Self, cast

from bundle.base.errors import IntegrityError
from bundle.base.sandbox import Limits, Sandbox

__all__ = ["HARMLESS", "RATIO", "Limits", "extract", "is_archive", "open_zip", "read_selected"]

_SUFFIXES = frozenset({".tar", ".zst", ".gz", ".tgz", ".bz2", ".xz", ".zip"})
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""How zip files and compressed tar files begin."""

_CHUNK = 2**20

_HEADERS = 2**20
"""Bytes that may stand between the contents of two entries: long names and PAX records, and the padding at the end."""

_MOST_EXTENDED = 2**26
"""Bytes that all long names and PAX records of an archive may have together."""

HARMLESS, RATIO = 2**30, 100
"""Bytes that an archive may unpack to however small it is; beyond them, not more than a multiple of its own size."""

_PADDING = 2**14
"""Bytes read at once behind the end marker, where nothing but padding should be."""

_DIRECTORY_SIZE, _LARGEST_DIRECTORY = 5, 2**24
"""Place of its length in a zip's last record, and bytes that the table of entries may have: it takes eight times as
much memory. Wheels with 20,000 files, among the largest, have tables of 2 MB."""

_LINK = 2**16
"""Bytes that a link's target may have."""

_EXECUTABLE = 0o111

_MOST_THREADS = 8
"""More would decompress faster than files can be written."""

_DEFAULTS = Limits()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def extract(archive: Path, target: Path, *, limits: Limits = _DEFAULTS) -> None:
    """Unpack a tar or zip archive; its first bytes decide its kind, not its name.

    Known are tar, plain or compressed with gzip, bzip2, xz or zstd, and zip. Files get mode 0755 where the archive
    allows anyone to execute them, else 0644; folders 0755. Hard links become copies. Entries written before a
    refusal stay: unpack into `files.staged_folder`.

    Args:
        target: made if absent.
        limits: how much may be written.

    Raises:
        IntegrityError: the archive is damaged or of no known kind, exceeds a limit, or holds an entry that is
            absolute, leads out of `target`, goes through a link, is neither file, folder nor link, comes as two
            kinds, or has a name that another platform cannot have; the message names it.
    """
    size = min(limits.size, max(HARMLESS, RATIO * archive.stat().st_size))
    sandbox = Sandbox(target, replace(limits, size=size), archive.name)
    with _opened(archive) as pack:
        if isinstance(pack, zipfile.ZipFile):
            for info in pack.infolist():
                _extract_info(pack, info, sandbox, archive)
        else:
            for member in _members(pack):
                _extract_member(pack, member, sandbox, archive)
    sandbox.finish()


def read_selected(archive: Path, wanted: Callable[[str], bool], *, most: int) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of certain files of an archive, in its order; nothing is unpacked.

    Args:
        wanted: whether a file of this name is to be read.
        most: bytes that a file may have; of a larger one, one byte more than that is yielded.

    Raises:
        IntegrityError: as by `extract`, as far as it can be seen.
    """
    with _opened(archive) as pack:
        if isinstance(pack, zipfile.ZipFile):
            for info in filter(lambda info: wanted(info.filename), pack.infolist()):
                with pack.open(info) as content:
                    yield info.filename, content.read(most + 1)
        else:
            for member in _members(pack):
                if wanted(member.name) and member.isreg() and (content_or_none := pack.extractfile(member)):
                    yield member.name, content_or_none.read(most + 1)


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip file, unless its table of entries is very long, or its entries share bytes, as bombs do.

    Raises:
        BadZipFile: it is no such zip file.
    """
    try:
        # The library's own search, so that both mean the same table; ZipFile would read it whole, however long.
        found = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # undocumented
    except OSError as error:
        raise zipfile.BadZipFile("it has no end that can be read") from error
    if found is not None and found[_DIRECTORY_SIZE] > _LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(f"its table of entries is longer than {_LARGEST_DIRECTORY >> 20} MiB")
    pack = zipfile.ZipFile(file)
    _check_overlaps(pack)
    return pack


def _check_overlaps(pack: zipfile.ZipFile) -> None:
    end, header = 0, 30
    for info in sorted(pack.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise zipfile.BadZipFile(f"the entry {info.orig_filename!r} overlaps another one")
        end = info.header_offset + header + info.compress_size
    if end > pack.start_dir:
        raise zipfile.BadZipFile("an entry is longer than the file")


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive of a kind that `extract` knows, or is named like one and may be damaged."""
    if path.suffix in _SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(_MAGIC) or head[257:262] == b"ustar"


def _decompressed(file: BinaryIO) -> _Readable:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        from isal import igzip

        gzipped: _Readable = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
        return gzipped
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(file)
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5):
        from bundle.base.zstd import FrameReader

        return FrameReader(file, threads=min(os.cpu_count() or 1, _MOST_THREADS))
    return file


class _Stream:
    """Decompressed bytes, read forward only, and no more of them than the entries read so far declare."""

    def __init__(self, source: _Readable, archive: Path) -> None:
        self._source = source
        self._archive = archive
        self._chunk = b""
        self._at = 0
        self._position = 0
        self._allowed = _HEADERS
        self._extended = 0
        self._most = 2 * max(HARMLESS, RATIO * archive.stat().st_size)

    def allow(self, position: int) -> None:
        """Allow reading up to the end of the headers that begin at a position."""
        self._allowed = min(position, self._most) + _HEADERS

    def check_extended(self, size: int) -> None:
        """Refuse a long name or a PAX record before the library reads it, if that would take long."""
        self._extended += size
        start = self._at
        ahead = self.read(max(size, 0))
        self._position -= len(ahead)
        if self._at == start + len(ahead):
            self._at = start
        else:
            self._chunk, self._at = ahead + self._chunk[self._at :], 0
        # A number that no record begins with: some versions of the library take quadratic time for it.
        if size < 0 or self._extended > _MOST_EXTENDED or re.search(rb"[0-9]{500}", ahead):
            raise ReadError("its extended headers are too large, or not what they should be")

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip everything before a position."""
        if position < self._position:
            raise tarfile.StreamError("an entry points backward")
        while self._position < position and self.read(min(_CHUNK, position - self._position)):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end only."""
        if self._position + size > self._allowed:
            raise IntegrityError(
                f"{self._archive.name} is unsafe: it holds more data than its entries declare.",
                cause="The archive is damaged, or is an attack that exhausts the memory.",
            )
        data = self._chunk[self._at : self._at + size]
        self._at += len(data)
        if len(data) < size:
            pieces = [data]
            left = size - len(data)
            while left and (chunk := self._next()):
                pieces.append(chunk[:left])
                self._chunk, self._at = chunk, len(pieces[-1])
                left -= len(pieces[-1])
            data = b"".join(pieces)
        self._position += len(data)
        return data

    def _next(self) -> bytes:
        try:
            return self._source.read(_CHUNK)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(error) from error
        except OSError as error:
            # Errors of the disk have an errno; errors of decoders have none.
            if error.errno is not None:
                raise
            raise self._damaged(error) from error
        except Exception as error:
            # Named, not imported: only the decoder at hand is loaded.
            if type(error).__module__.partition(".")[0] in ("igzip_lib", "isal", "zstandard"):
                raise self._damaged(error) from error
            raise

    def _damaged(self, error: Exception) -> IntegrityError:
        return _damaged(self._archive, str(error) or type(error).__name__)


class _Header(tarfile.TarInfo):
    """An entry that is never guessed: the library takes a damaged header for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        """Read an entry's headers."""
        try:
            return super().fromtarfile(tarfile)
        except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise ReadError(f"a header is damaged ({error})") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one header block."""
        if not buf:
            raise ReadError("the end marker is missing")
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # undocumented, like its base
            raise
        except tarfile.HeaderError as error:
            raise ReadError(str(error)) from error

    def _proc_member(self, tarfile: tarfile.TarFile) -> tarfile.TarInfo | None:
        # The entry point that the library leaves to subclasses.
        if self.type in (b"L", b"K", b"x", b"g", b"X"):
            cast("_Stream", tarfile.fileobj).check_extended(self.size)
        return super()._proc_member(tarfile)  # type: ignore[misc,no-any-return]


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """Open an archive of any kind; within the block, every error that shows a damaged one is an IntegrityError."""
    try:
        with archive.open("rb") as file:
            if file.read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
                with open_zip(file) as pack:
                    yield pack
                return
            file.seek(0)
            stream = _Stream(_decompressed(file), archive)
            # Not its mode for streams, which copies its buffer with every header.
            with tarfile.TarFile(fileobj=cast("BinaryIO", stream), tarinfo=_Header, encoding="utf-8") as tar:
                yield tar
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise _damaged(archive, str(error)) from error
    except OSError as error:
        # A seek to a damaged position fails with EINVAL; what a decoder cannot read has no number.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(archive, str(error)) from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    stream = cast("_Stream", tar.fileobj)
    while (member := tar.next()) is not None:
        if member.size < 0:
            raise ReadError(f"the entry {member.name!r} has a negative size")
        stream.allow(tar.offset)
        yield member
        # Kept by the library for random access; a large archive would fill the memory with them.
        tar.members.clear()  # type: ignore[attr-defined]
    while stream.read(_PADDING):
        pass  # The checksum of the compressed data stands at its end.


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, sandbox: Sandbox, archive: Path) -> None:
    if member.isdir():
        sandbox.folder(member.name, mtime=member.mtime)
    elif member.issym():
        sandbox.link(member.name, member.linkname)
    elif member.islnk():
        sandbox.copy(member.name, member.linkname, mtime=member.mtime)
    elif member.isreg():
        content = tar.extractfile(member)
        if content is None:
            raise _damaged(archive, f"the entry {member.name!r} has no content")
        chunks = _exactly(content, member.size, archive, member.name)
        sandbox.file(member.name, chunks, executable=bool(member.mode & _EXECUTABLE), mtime=member.mtime)
    else:
        raise _special(archive, member.name)


def _extract_info(pack: zipfile.ZipFile, info: zipfile.ZipInfo, sandbox: Sandbox, archive: Path) -> None:
    # `filename` ends at the first NUL and has the separators of the running system.
    name = info.orig_filename
    unix = 3
    mode = info.external_attr >> 16 if info.create_system == unix else 0
    mtime = calendar.timegm((*info.date_time, 0, 0, 0)) if info.date_time >= (1980, 1, 1) else 0
    kind = stat.S_IFMT(mode)
    if info.flag_bits & 1:
        raise _damaged(archive, f"the entry {name!r} is encrypted")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise _special(archive, name)
    if name.endswith("/"):
        sandbox.folder(name, mtime=mtime)
        return
    with pack.open(info) as content:
        if kind == stat.S_IFLNK:
            sandbox.link(name, content.read(_LINK).decode(errors="surrogateescape"))
        else:
            chunks = _exactly(content, info.file_size, archive, name)
            sandbox.file(name, chunks, executable=bool(mode & _EXECUTABLE), mtime=mtime)


def _exactly(content: _Readable, size: int, archive: Path, name: str) -> Iterator[bytes]:
    left = size
    while left:
        chunk = content.read(min(left, _CHUNK))
        if not chunk:
            raise _damaged(archive, f"the entry {name!r} ends {left} bytes early")
        left -= len(chunk)
        yield chunk


def _special(archive: Path, name: str) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} is unsafe: the entry {name!r} was refused because it is neither a file, a folder nor a link."
    )


def _damaged(archive: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} cannot be unpacked: {why}.",
        cause="The file is damaged or incomplete, or it is not an archive of a known kind (tar, zip).",
    )
