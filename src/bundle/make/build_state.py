"""Whether a bundle already is what its inputs ask for, told from stamps in well under a second."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bundle.base.files import canonical_json, write_atomically

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the last complete build of one bundle started from and left behind."""

    inputs: str
    """Fingerprint of everything that the build was made from."""
    tree: str
    """Stamp of the bundle's folder."""
    archives: Mapping[str, str]
    """Stamp of each archive by its file name."""
    result: Mapping[str, Any]
    """What the build reported."""


def fingerprint(values: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return a sha256 over plain values and the content of the files that a build reads.

    A file that is missing counts as such, so that its appearance is a change.
    """
    digest = hashlib.sha256(canonical_json([FORMAT, values]))
    for path in files:
        digest.update(str(path).encode(errors="surrogateescape") + b"\0")
        digest.update(path.read_bytes() if path.is_file() else b"\0missing")
    return digest.hexdigest()


def tree_stamp(root: Path, *, caches: bool = True) -> str:
    """Return a sha256 over path, size, mtime and mode of everything below a folder; empty if there is none.

    Args:
        root: the folder.
        caches: whether `__pycache__`, which Python writes whenever it may, counts as well.
    """
    if not root.is_dir():
        return ""
    digest = hashlib.sha256()
    for row in _rows(str(root), "", caches=caches):
        digest.update(row.encode(errors="surrogateescape"))
    return digest.hexdigest()


def file_stamp(path: Path) -> str:
    """Return size, mtime and inode of a file as one text; empty if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def read_record(path: Path) -> Record | None:
    """Return the record of the last build, None if there is none that this version understands."""
    try:
        return Record(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Keep a record for the next run."""
    write_atomically(path, canonical_json(asdict(record)))


def _rows(folder: str, prefix: str, *, caches: bool) -> Iterator[str]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name == "__pycache__" and not caches:
            continue
        status = entry.stat(follow_symlinks=False)
        name = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield f"{name}/\0{status.st_mode}\n"
            yield from _rows(entry.path, f"{name}/", caches=caches)
        else:
            # A symlink's size is its target's length; its mtime changes when it is made anew.
            yield f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}\n"
