"""One look at every byte of a bundle: each file is read once, for its hash, its kind and what it must not name."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bundle.base.threads import in_parallel
from bundle.make.verify.checks.needles import Needle, search

_MAPPED = 8 * 2**20
"""Bytes from which a file is mapped in place of being copied."""

_BATCH = 32 * 2**20
"""Bytes that one thread takes at once, so that thousands of small files cost no thousands of hand-overs."""


class Seen(NamedTuple):
    """What one file is."""

    sha256: bytes
    head: bytes
    """Its first eight bytes."""
    hits: tuple[tuple[Needle, int], ...]
    """The needles that it holds, and where each is first."""


def scan(
    root: Path,
    files: Mapping[str, int],
    needles: Sequence[Needle],
    *,
    jobs: int,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Seen]:
    """Read files.

    Args:
        root: the bundle's folder.
        files: size in bytes by path relative to it.
        needles: what is searched for.
        jobs: how many threads; hashing and reading run beside each other, searching does not.
        done: told how many more files are done.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, Seen] = {}

    def look(batch: Sequence[str]) -> list[tuple[str, Seen]]:
        seen = [(path, _look(f"{root}/{path}", files[path], needles)) for path in batch]
        done(len(batch))
        return seen

    for result in in_parallel(look, _batches(files), threads=jobs):
        if isinstance(result, Exception):
            raise result
        found.update(result)
    return found


def _batches(files: Mapping[str, int]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for path in sorted(files, key=lambda path: -files[path]):
        batch.append(path)
        # What opening a file costs counts as well.
        size += files[path] + 2**16
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _look(path: str, size: int, needles: Sequence[Needle]) -> Seen:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if size < _MAPPED:
            return _seen(_read(descriptor, size), needles)
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
            return _seen(data, needles)
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    """Return the whole content of a file; one read is enough unless it grew or a file system gives it in pieces."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while part := os.read(descriptor, 2**20):
        parts.append(part)
    return b"".join(parts)


def _seen(data: bytes | mmap.mmap, needles: Sequence[Needle]) -> Seen:
    return Seen(hashlib.sha256(data).digest(), data[:8], tuple(search(data, needles)))
