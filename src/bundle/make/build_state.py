"""The state that a build leaves for the next one: stamps that show in well under a second that nothing changed."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bundle.artifacts.store.json_cache import read_json, write_json
from bundle.base.files import canonical_json, read_regular
from bundle.base.folders import listing
from bundle.model.records import from_json

FORMAT = 3

STATE = ".state"
"""Folder below the output folder that records the inputs and results of builds."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Inputs and results of the last complete build of one bundle."""

    inputs: str
    """Fingerprint of everything that the build was made from."""
    tree: str
    """Stamp of the bundle's folder."""
    archives: Mapping[str, str]
    """Stamp of each archive, and of each document beside them, by its file name."""
    result: Mapping[str, Any]
    """The report of the build."""
    manifest: str = ""
    """SHA-256 of the bundle's `bundle.json`."""
    portable: Mapping[str, str] = field(default_factory=dict)
    """Digests of the inputs that are the same on every machine; see `bundle.make.portable_inputs`."""


def fingerprint(values: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return a sha256 over plain values and the content of the files that a build reads.

    A file that is missing counts as such, so that its appearance is a change.
    """
    digest = hashlib.sha256(canonical_json([FORMAT, values]))
    for path in files:
        digest.update(str(path).encode(errors="surrogateescape") + b"\0")
        digest.update(read_regular(path) if path.is_file() else b"\0missing")
    return digest.hexdigest()


def tree_stamp(root: Path, *, caches: bool = True) -> str:
    """Return a sha256 over path, size, mtime and mode of everything below a folder; empty if there is none.

    Args:
        caches: whether `__pycache__`, which Python writes whenever it may, counts as well.
    """
    if not root.is_dir():
        return ""
    digest = hashlib.sha256()
    for path, status in sorted(listing(root).items()):
        if not caches and "__pycache__" in path.split("/"):
            continue
        # A symlink's size is its target's length; its mtime changes when it is made anew.
        stamp = "" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} {status.st_mtime_ns}"
        digest.update(f"{path}\0{stamp}\0{status.st_mode}\n".encode(errors="surrogateescape"))
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
    return read_json(path, [FORMAT, path.stem], lambda value: from_json(Record, value))


def last_build(folder: Path) -> Record | None:
    """Return the record of the last build of the bundle in a folder; None if none is known.

    Args:
        folder: the output folder, then version and platform.
    """
    place = folder.resolve()
    return read_record(place.parent.parent / STATE / f"{place.parent.name}-{place.name}.json")


def last_manifest(folder: Path) -> str:
    """Return the SHA-256 of the `bundle.json` that the last build put into a bundle's folder; empty if none is known.

    Args:
        folder: the output folder, then version and platform.
    """
    record = last_build(folder)
    return record.manifest if record else ""


def write_record(path: Path, record: Record) -> None:
    """Keep a record for the next run."""
    write_json(path, [FORMAT, path.stem], asdict(record))
