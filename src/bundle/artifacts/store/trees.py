"""The trees of the store's layers, each with a listing, by which a change shows without reading a byte."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.artifacts.store.json_cache import read_json, to_json
from bundle.artifacts.store.layers import FILE_TYPES, Entry, seal
from bundle.artifacts.store.scratch import place_new, touch
from bundle.base.folders import listing as listing_below
from bundle.base.staging import remove_whole

if TYPE_CHECKING:
    from bundle.artifacts.store.paths import StorePaths
    from bundle.base.report import Reporter

_RULES = 1
"""Raised when listings change their form."""

_FORMS = {(str, str, bool, int, sha256, target) for sha256 in (str, type(None)) for target in (str, type(None))}
"""The types of an `Entry`."""

_HAS_MODES = os.name == "posix"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The content of `layer.json`: the entries of a tree."""

    digest: str
    epoch: int
    """Modification time of its files, in seconds since 1970."""
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)


def listing_of(tree: Path, entries: Sequence[Entry], *, epoch: int) -> Listing:
    """Read a normalised tree with sorted entries, which have no hashes yet, and list it."""
    digest, sealed = seal(tree, entries, epoch=epoch)
    return Listing(digest=digest, epoch=epoch, entries=sealed)


def write_listing(folder: Path, listing: Listing) -> None:
    """Write `layer.json` and the mark of its last use into a layer's folder, which is not yet in its place."""
    value = {"epoch": listing.epoch, "entries": listing.entries}
    (folder / "layer.json").write_bytes(to_json([_RULES, listing.digest], value))
    (folder / "used").touch()


def read_listing(folder: Path) -> Listing | None:
    """Read `layer.json` in the folder of a layer; None if it is missing, damaged, or another layer's."""

    def read(value: dict[str, Any]) -> Listing:
        entries = tuple(map(Entry._make, value["entries"]))
        if not {tuple(map(type, entry)) for entry in entries} <= _FORMS or type(value["epoch"]) is not int:
            raise ValueError("an entry has other types")
        return Listing(digest=folder.name, epoch=value["epoch"], entries=entries)

    return read_json(folder / "layer.json", [_RULES, folder.name], read)


def damage(folder: Path, *, full: bool) -> str | None:
    """Return the damage of a layer in its folder, or None.

    Args:
        full: read every byte, in place of looking at sizes, times and modes.

    Raises:
        FileNotFoundError: the layer is removed at this moment.
    """
    return _sound_listing(folder, full=full)[1]


def _sound_listing(folder: Path, *, full: bool) -> tuple[Listing | None, str | None]:
    """Return the listing of a layer, and the layer's damage."""
    listing = read_listing(folder)
    if listing is None:
        return None, "its listing cannot be read"
    tree = folder / "tree"
    problem = stamp_difference(tree, listing.entries, epoch=listing.epoch)
    if problem is None and full:
        digest, entries = seal(tree, listing.entries, epoch=listing.epoch)
        changed = (old.path for old, new in zip(listing.entries, entries, strict=True) if old != new)
        if path := next(changed, None):
            problem = f"{path} has other bytes"
        elif digest != listing.digest:
            problem = "its listing is not the one that it was made with"
    return listing, problem


def stamp_difference(tree: Path, entries: Sequence[Entry], *, epoch: int) -> str | None:
    """Return the first difference between a tree and its listing: a file's size, time or mode, something more or less.

    An edit gives a file a new time, so this finds every change that is not made to hide.
    """
    if not tree.is_dir():
        return f"{tree} is not there"
    found = listing_below(tree)
    for entry in entries:
        status = found.pop(entry.path, None)
        if status is None:
            return f"{entry.path} is not there"
        if difference := _difference(f"{tree}/{entry.path}", status, entry, epoch * 10**9):
            return f"{entry.path} {difference}"
    return f"{next(iter(found))} was added" if found else None


def _difference(path: str, status: os.stat_result, entry: Entry, moment: int) -> str | None:
    if FILE_TYPES.get(entry.kind) != stat.S_IFMT(status.st_mode):
        return f"is no {entry.kind} any more"
    if entry.kind == "symlink":
        same = os.readlink(path) == entry.target  # noqa: PTH115 - a path object is slow
        return None if same else "is not the same link any more"
    if entry.kind == "folder":
        return None
    if status.st_size != entry.size or status.st_mtime_ns != moment:
        return "was changed"
    if _HAS_MODES and stat.S_IMODE(status.st_mode) != entry.mode:
        return "has another mode"
    return None


class Trees:
    """Trees by digest; each appears whole, by one rename."""

    def __init__(self, paths: StorePaths, *, reporter: Reporter) -> None:
        self._paths = paths
        self._reporter = reporter

    def path(self, digest: str) -> Path:
        """Return the tree of a layer."""
        return self._paths.layer(digest) / "tree"

    def get(self, digest: str, *, full: bool) -> Listing | None:
        """Return the listing of a layer's tree, verified, or None; a damaged tree is removed with a warning.

        Args:
            full: read every byte, in place of looking at sizes, times and modes.
        """
        folder = self._paths.layer(digest)
        try:
            listing, problem = _sound_listing(folder, full=full)
        except FileNotFoundError:
            return None  # Another process removes it at this moment.
        if listing is not None and problem is None:
            touch(folder / "used")
            return listing
        if folder.exists():
            self._reporter.warning(f"A layer in the store is damaged and is removed: {problem} ({folder}).")
            self.drop(digest)
        return None

    def put(self, folder: Path, digest: str) -> bool:
        """Move a finished layer, a folder on the store's file system, to its place, unless a sound one is there.

        Returns:
            Whether it was moved.
        """
        place = self._paths.layer(digest)
        for _ in range(10):
            if place_new(folder, place):
                return True
            if self.get(digest, full=False):
                return False
        raise OSError(errno.EBUSY, "another process keeps replacing it", str(place))

    def drop(self, digest: str) -> None:
        """Remove a layer; another process may do the same."""
        with suppress(FileNotFoundError):
            remove_whole(self._paths.layer(digest))
