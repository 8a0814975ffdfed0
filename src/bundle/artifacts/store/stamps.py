"""Whether a stored tree is still what it was, told by sizes, times and modes, without reading a byte."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundle.artifacts.store.layers import Entry

_HAS_MODES = os.name == "posix"


def stamp_difference(tree: Path, entries: Sequence[Entry], *, epoch: int) -> str | None:
    """Say what tells that a tree is no longer what it was: a file's size, time or mode, something more or less.

    Whoever edits a file gives it a new time, so this finds every honest mistake.

    Args:
        tree: the folder.
        entries: what was in it.
        epoch: the modification time that all files had, in seconds since 1970.

    Returns:
        The first difference, or None.
    """
    if not tree.is_dir():
        return f"{tree} is not there"
    moment = epoch * 10**9
    expected = {entry.path: entry for entry in entries}
    pending = [(os.fspath(tree), "")]
    while pending:
        folder, prefix = pending.pop()
        with os.scandir(folder) as listing:
            for item in listing:
                path = prefix + item.name
                entry = expected.pop(path, None)
                if entry is None:
                    return f"{path} was added"
                if entry.kind == "folder" and item.is_dir(follow_symlinks=False):
                    pending.append((item.path, path + "/"))
                elif difference := _difference(item, entry, moment):
                    return f"{path} {difference}"
    return f"{next(iter(expected))} is not there" if expected else None


def _difference(item: os.DirEntry[str], entry: Entry, moment: int) -> str | None:
    if entry.kind == "symlink":
        same = item.is_symlink() and os.readlink(item.path) == entry.target  # noqa: PTH115 - a path object is slow
        return None if same else "is not the same link any more"
    if entry.kind == "folder" or not item.is_file(follow_symlinks=False):
        return f"is no {entry.kind} any more"
    status = item.stat(follow_symlinks=False)
    if status.st_size != entry.size or status.st_mtime_ns != moment:
        return "was changed"
    if _HAS_MODES and status.st_mode & 0o7777 != (0o755 if entry.executable else 0o644):
        return "has another mode"
    return None
