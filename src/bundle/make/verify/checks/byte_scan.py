"""Reading every file of a bundle once: its hash, its first bytes, and the folders of the building machine in it."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.checks.findings import Severity
from bundle.model.platforms import Platform

Result = TypeVar("Result")

_MAPPED = 8 * 2**20
"""Bytes from which a file is mapped instead of copied."""

_BATCH = 32 * 2**20
"""Bytes that one thread takes at once, so that thousands of small files do not cost thousands of hand-overs."""

_LONG_ENOUGH = 8
"""Length from which a path of a single component is not found by chance."""

_COMMON = frozenset(
    {"/usr", "/usr/local", "/usr/bin", "/usr/lib", "/opt", "/opt/local", "/opt/homebrew", "/var/tmp", "/var/lib"}  # noqa: S108 - named, not used
)
"""Folders that many files name on every machine."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A byte string to search for."""

    path: str
    """The folder that it stands for."""
    data: bytes
    severity: Severity
    whole: tuple[bytes, ...] = ()
    """The longer byte strings one of which must stand there; empty if the pattern itself is enough."""


class Scanned(NamedTuple):
    """The facts about one file."""

    sha256: bytes
    head: bytes
    """Its first eight bytes."""
    hits: tuple[tuple[Pattern, int], ...]
    """The patterns that it contains, each with its first offset."""


def patterns_for(
    forbidden: Sequence[Path], suspicious: Sequence[Path], platform: Platform
) -> tuple[tuple[Pattern, ...], tuple[Path, ...]]:
    """Return the byte strings to search for, and the folders whose names are too common to be searched for.

    Finding a forbidden folder is an error, a suspicious one a warning. Of a suspicious folder with a common name, such
    as that of root, the folders inside are searched for.
    """
    texts: dict[str, Severity] = {}
    unused: list[Path] = []
    inner: dict[str, list[str]] = {}
    wanted: list[tuple[Path, Severity]] = [(path, "error") for path in forbidden]
    for path, severity in (*wanted, *((path, "warning") for path in suspicious)):
        if _is_specific(path):
            for text in dict.fromkeys((str(path), os.path.realpath(path))):
                texts.setdefault(text, severity)
        elif severity == "warning" and str(path) not in _COMMON and (folders := _folders_in(path)):
            texts.setdefault(str(path), severity)
            inner[str(path)] = folders
        else:
            unused.append(path)
    patterns: dict[bytes, Pattern] = {}
    for text, severity in texts.items():
        if any(text != other and _is_below(text, other) for other, found in texts.items() if found == severity):
            continue  # A file that names the inner folder names the outer one, too.
        longer = [data for folder in inner.get(text, ()) for data in _spellings(folder, platform)]
        for data in _spellings(text, platform):
            whole = tuple(one for one in longer if one.startswith(data))
            patterns.setdefault(data, Pattern(path=text, data=data, severity=severity, whole=whole))
    return tuple(patterns.values()), tuple(dict.fromkeys(unused))


def search(data: bytes | mmap.mmap, patterns: Sequence[Pattern]) -> Iterator[tuple[Pattern, int]]:
    """Yield each pattern that some bytes contain, with its first offset; `/a/bc` does not count as `/a/b`."""
    # Nearly all files contain none, and one pass for all of them takes a third of the time.
    if _any_of(tuple(pattern.data for pattern in patterns)).search(data) is None:
        return
    for pattern in patterns:
        offset = data.find(pattern.data)
        while offset >= 0:
            if any(_stands(data, offset, text) for text in pattern.whole or (pattern.data,)):
                yield pattern, offset
                break
            offset = data.find(pattern.data, offset + 1)


def scan(
    root: Path,
    files: Mapping[str, int],
    patterns: Sequence[Pattern],
    *,
    jobs: int,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Scanned]:
    """Read files.

    Args:
        files: size in bytes by path relative to the root.
        jobs: how many threads; hashing and reading run in parallel, searching does not.
        done: called with the number of further files that are done.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, Scanned] = {}

    def read(batch: Sequence[str]) -> list[tuple[str, Scanned]]:
        scanned = [(path, _scan_file(f"{root}/{path}", files[path], patterns)) for path in batch]
        done(len(batch))
        return scanned

    for result in all_of(in_parallel(read, _batches(files), threads=jobs)):
        found.update(result)
    return found


def names_any(root: Path, files: Mapping[str, int], patterns: Sequence[Pattern], *, jobs: int) -> bool:
    """Return whether one of some files contains a pattern; nothing is hashed.

    Args:
        files: size in bytes by path relative to the root.
        jobs: how many threads.

    Raises:
        OSError: a file cannot be read.
    """

    def names(data: bytes | mmap.mmap) -> bool:
        return next(search(data, patterns), None) is not None

    def read(batch: Sequence[str]) -> bool:
        return any(_with_bytes(f"{root}/{path}", files[path], names) for path in batch)

    return any(all_of(in_parallel(read, _batches(files), threads=jobs)))


@cache
def _any_of(texts: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return the expression that finds one of some texts; with none, it finds the start of any."""
    return re.compile(b"|".join(map(re.escape, texts)))


def _stands(data: bytes | mmap.mmap, offset: int, text: bytes) -> bool:
    """Return whether a path stands at an offset, and no longer name begins with it."""
    end = offset + len(text)
    after = data[end : end + 1]
    return data[offset:end] == text and not (after.isalnum() or after in (b"_", b"-"))


def _folders_in(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _is_specific(path: Path) -> bool:
    text = str(path)
    names = [part for part in path.parts if part != path.anchor]
    return text not in _COMMON and (len(names) >= 2 or len(text) >= _LONG_ENOUGH)


def _is_below(text: str, other: str) -> bool:
    return text.startswith((f"{other}/", f"{other}\\"))


def _spellings(text: str, platform: Platform) -> Iterator[bytes]:
    """Yield a path as programs, JSON files and file URLs spell it."""
    for spelling in dict.fromkeys((text, text.replace("\\", "\\\\"), text.replace("\\", "/"))):
        yield os.fsencode(spelling)
        yield quote(os.fsencode(spelling), safe="/:").encode()
        if platform.is_windows:  # Its programs also contain UTF-16 texts.
            yield spelling.encode("utf-16-le", "surrogatepass")


def _batches(files: Mapping[str, int]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for path in sorted(files, key=lambda path: -files[path]):
        batch.append(path)
        # Opening a file has its cost, too.
        size += files[path] + 2**16
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _scan_file(path: str, size: int, patterns: Sequence[Pattern]) -> Scanned:
    return _with_bytes(path, size, lambda data: _scan_bytes(data, patterns))


def _with_bytes(path: str, size: int, use: Callable[[bytes | mmap.mmap], Result]) -> Result:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if size < _MAPPED:
            return use(_read(descriptor, size))
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
            return use(data)
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    """Return the whole content of a file; one read is enough unless it grew or the file system gives it in pieces."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while part := os.read(descriptor, 2**20):
        parts.append(part)
    return b"".join(parts)


def _scan_bytes(data: bytes | mmap.mmap, patterns: Sequence[Pattern]) -> Scanned:
    return Scanned(hashlib.sha256(data).digest(), data[:8], tuple(search(data, patterns)))
