"""Files: hashes, locks, the one form of JSON, the one time of results."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bundle.base.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from bundle.base.report import Reporter

CHUNK = 2**20
"""Bytes read at once: large enough that calls cost nothing, small enough for any cache."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What systems say where a file system has no locks."""

_EPOCH = 315532800
"""1980-01-01 UTC, the earliest time that a zip file can hold."""


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file to be read; anything else raises OSError, and no pipe is waited for."""
    opener = lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # noqa: E731
    file = open(path, "rb", opener=opener)  # noqa: SIM115 - pathlib has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


def read_regular(path: Path, *, most: int = 2**26) -> bytes:
    """Return the content of a regular file; anything else, or more than `most` bytes, raises OSError."""
    with open_regular(path) as file:
        # What is asked for is allocated at once, however small the file is.
        expected = min(most, os.fstat(file.fileno()).st_size)
        content = file.read(expected + 1)
        if len(content) > expected:
            content += file.read(most + 1 - len(content))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"Larger than {most >> 20} MiB", str(path))
    return content


class PartFile(io.RawIOBase):
    """A read-only, seekable file whose bytes `part` returns.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._position = 0

    def part(self, first: int, length: int) -> bytes:
        """Return the bytes from a position on, fewer at the end only."""
        raise NotImplementedError

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

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer from the position on, as far as there is something."""
        view = memoryview(buffer).cast("B")
        data = self.part(self._position, len(view)) if self._position < self._size else b""
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        """Return everything from the position on, in as few parts as possible."""
        pieces = []
        while piece := self.read(max(0, self._size - self._position)):
            pieces.append(piece)
        return b"".join(pieces)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashed(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    """Copy a stream, and return its SHA-256 as hex and the number of its bytes."""
    digest = hashlib.sha256()
    size = 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest(), size


@contextmanager
def locked(path: Path, *, reporter: Reporter, what: str) -> Iterator[None]:
    """Keep other processes and threads out of the block; the system releases the lock when the process dies.

    Args:
        path: the lock file; it is made, and stays.
        reporter: gets a message when the lock is not free after a second.
        what: what is locked, as in "waiting for another process that uses {what}".

    Raises:
        ConfigError: the file system has no locks.
        OSError: the lock file cannot be made or opened.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        with locks_required(path.parent):
            lock.acquire(timeout=1, poll_interval=0.02)
    except Timeout:
        # Where no file can be made, nobody ever gets the lock; this raises what the system says.
        with path.open("ab"):
            pass
        reporter.info(f"waiting for another process that uses {what} ({path})")
        lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locks_required(folder: Path) -> Iterator[None]:
    """Explain a failure of the block to take a lock.

    Raises:
        ConfigError: the file system of the folder has no locks.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise ConfigError(
            f"The file system of {folder} has no locks: {error.strerror}.",
            cause="It is a network file system that is mounted without them. Without a lock, two processes could "
            "change it at once, so nothing is changed.",
            remedy="Name a folder on a local disk, for caches in XDG_CACHE_HOME or BUNDLE_CACHE_DIR.",
        ) from error


def canonical_json(value: object) -> bytes:
    """Return the form of a JSON value that is hashed: sorted keys, no blanks, UTF-8; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pretty_json(value: object) -> str:
    """Return the form of a JSON value that files hold: sorted keys, two blanks a level, a newline at the end."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """Return the time that stands in results in place of now.

    Args:
        environ: where `SOURCE_DATE_EPOCH` may stand (https://reproducible-builds.org/specs/source-date-epoch/).

    Returns:
        Seconds since 1970; 1980-01-01 UTC where the variable is not set.

    Raises:
        ConfigError: the variable holds no number of seconds, or one that no archive can hold.
    """
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return _EPOCH
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is {text[:40]!r}, which is not a number of seconds from 1970 to 2105.",
            remedy="Set it to a number such as 315532800, or unset it.",
        )
    return int(text)
