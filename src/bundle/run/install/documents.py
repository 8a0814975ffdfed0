"""The documents in an install, `bundle.json` and `bundle-files.json`, and whether its files are as they say."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import read_regular, sha256_of
from bundle.base.folders import listing
from bundle.model.file_list import DESCRIPTIONS, FILE_LIST, FileList, ListedEntry
from bundle.model.manifest import MANIFEST, Manifest, read_manifest
from bundle.model.records import MalformedError

_TYPES = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK}

_CACHES = "__pycache__"
"""Folders in which Python keeps compiled modules; what it added there is no change."""


def require_manifest(tree: Path, version: str, platform: str, sha256: str) -> Manifest:
    """Return the manifest of a tree that is to become an install.

    Args:
        sha256: of `bundle.json`; empty if the source does not tell.

    Raises:
        IntegrityError: there is none, or that of another bundle.
    """
    try:
        manifest = read_manifest(tree)
        found = sha256_of(tree / MANIFEST)
    except (ConfigError, OSError) as error:
        raise IntegrityError(
            f"The bundle of {version} for {platform} has no {MANIFEST} that can be read.", cause=str(error)
        ) from error
    if (manifest.version, manifest.platform) != (version, platform) or sha256 not in ("", found):
        raise IntegrityError(
            f"The source promised {version} for {platform}, and has another bundle in its place: "
            f"{manifest.version} for {manifest.platform}.",
            cause="The catalogue was changed, or archives were mixed up.",
            remedy="Ask the person who publishes it.",
        )
    return manifest


def read_file_list(tree: Path) -> FileList | None:
    """Return the list of the files of a bundle if it is the one that its manifest names; None otherwise."""
    try:
        content = read_regular(tree / FILE_LIST)
        return FileList.parse(content) if read_manifest(tree).files == sha256(content).hexdigest() else None
    except (ConfigError, MalformedError, OSError):
        return None


def change_in(tree: Path, *, full: bool = False) -> str | None:
    """Return the first difference between a bundle's files and the list of them, None if there is none.

    Args:
        full: read every file, in place of looking at sizes, modes and times.
    """
    files = read_file_list(tree)
    if files is None:
        return f"{FILE_LIST} is not the one that {MANIFEST} names"
    found = listing(tree)
    moment = found[MANIFEST].st_mtime_ns
    for _, entry in files.paths.values():
        status = found.pop(entry.path, None)
        if status is None:
            return f"{entry.path} is not there"
        if not _is_like(f"{tree}/{entry.path}", entry, status, None if full else moment):
            return f"{entry.path} was changed"
        if full and entry.sha256 is not None and sha256_of(tree / entry.path) != entry.sha256:
            return f"{entry.path} has other bytes"
    added = (path for path in found if path not in DESCRIPTIONS and (full or _CACHES not in path.split("/")))
    return next((f"{path} was added" for path in added), None)


def added_to(tree: Path) -> list[str]:
    """Return the files in a bundle that its list does not have, compiled modules aside; None can be told without it."""
    files = read_file_list(tree)
    known: Mapping[str, object] = files.paths if files else {}
    found = (path for path, status in listing(tree).items() if not stat.S_ISDIR(status.st_mode))
    return sorted(path for path in found if not (path in known or path in DESCRIPTIONS or _CACHES in path.split("/")))


def _is_like(path: str, entry: ListedEntry, status: os.stat_result, moment: int | None) -> bool:
    if stat.S_IFMT(status.st_mode) != _TYPES[entry.kind]:
        return False
    if entry.kind == "symlink":
        return os.readlink(path) == entry.target  # noqa: PTH115 - a path object is slow
    if os.name == "posix" and stat.S_IMODE(status.st_mode) != entry.mode:
        return False
    return entry.kind == "folder" or (status.st_size == entry.size and moment in (None, status.st_mtime_ns))
