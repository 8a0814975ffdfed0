"""The trees of the store's layers, each with the list of what is in it."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.layers import Entry, seal
from bundle.artifacts.store.scratch import touch
from bundle.artifacts.store.stamps import stamp_difference
from bundle.base.errors import IntegrityError

if TYPE_CHECKING:
    from bundle.artifacts.store.paths import Layout
    from bundle.base.report import Reporter

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What `layer.json` says of a tree."""

    digest: str
    epoch: int
    """Modification time of its files, in seconds since 1970."""
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)


def write_listing(folder: Path, listing: Listing) -> None:
    """Write `layer.json` and the mark of its last use into a layer's folder.

    Args:
        folder: the layer's, not yet in its place.
        listing: what is in its tree.
    """
    value = {"format": _FORMAT, "digest": listing.digest, "epoch": listing.epoch, "entries": listing.entries}
    # Not indented: a bundle's lists together have tens of thousands of entries, read at every build.
    (folder / "layer.json").write_bytes(json.dumps(value, separators=(",", ":")).encode())
    (folder / "used").touch()


def read_listing(folder: Path) -> Listing:
    """Read `layer.json`.

    Args:
        folder: the layer's.

    Raises:
        FileNotFoundError: there is no such layer.
        IntegrityError: the file is damaged.
    """
    path = folder / "layer.json"
    data = path.read_bytes()
    try:
        value = json.loads(data)
        if value["format"] != _FORMAT:
            raise ValueError(value["format"])
        entries = tuple(map(Entry._make, value["entries"]))
        return Listing(digest=value["digest"], epoch=value["epoch"], entries=entries)
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(f"{path} is damaged.") from error


def damage(folder: Path, *, full: bool) -> str | None:
    """Say what is wrong with a stored layer, or None.

    Args:
        folder: the layer's, named by its digest.
        full: read every byte, in place of looking at sizes, times and modes.

    Raises:
        FileNotFoundError: there is no such layer.
    """
    try:
        listing = read_listing(folder)
    except IntegrityError as error:
        return error.what
    return _damage(folder, listing, full=full)


def _damage(folder: Path, listing: Listing, *, full: bool) -> str | None:
    tree = folder / "tree"
    if listing.digest != folder.name:
        return f"{folder} lists another layer"
    if difference := stamp_difference(tree, listing.entries, epoch=listing.epoch):
        return difference
    if full:
        digest, entries = seal(tree, listing.entries, epoch=listing.epoch)
        for before, now in zip(listing.entries, entries, strict=True):
            if before != now:
                return f"{before.path} has other bytes"
        if digest != listing.digest:
            return "its list is not the one that it was made with"
    return None


class Trees:
    """Trees by digest; each appears whole, by one rename.

    Args:
        layout: where they are.
        work: gives a folder for what is about to appear or to go.
        reporter: told of damage.
    """

    def __init__(self, layout: Layout, *, work: Callable[[], AbstractContextManager[Path]], reporter: Reporter) -> None:
        self._layout = layout
        self._work = work
        self._reporter = reporter

    def path(self, digest: str) -> Path:
        """Return the tree of a layer."""
        return self._layout.layer(digest) / "tree"

    def get(self, digest: str, *, full: bool) -> Listing | None:
        """Return what is in a layer's tree, verified, or None; a damaged tree is removed with a warning.

        Args:
            digest: the layer's.
            full: read every byte, in place of looking at sizes, times and modes.
        """
        folder = self._layout.layer(digest)
        try:
            listing = read_listing(folder)
            problem = _damage(folder, listing, full=full)
        except FileNotFoundError:
            return None
        except IntegrityError as error:
            problem = error.what
        else:
            if problem is None:
                touch(folder / "used")
                return listing
        self._reporter.warning(f"A layer of the store was damaged and is removed: {problem} ({folder}).")
        self.drop(digest)
        return None

    def put(self, folder: Path, digest: str) -> None:
        """Move a finished layer to its place, unless a sound one is there.

        Args:
            folder: with `tree/` and `layer.json`, on the store's file system.
            digest: the layer's.
        """
        place = self._layout.layer(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(10):
            try:
                folder.rename(place)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES) or not place.exists():
                    raise
            else:
                return
            if self.get(digest, full=False):
                return
        raise OSError(errno.EBUSY, "another process keeps replacing it", str(place))

    def drop(self, digest: str) -> None:
        """Remove a layer; nothing if it is absent.

        Args:
            digest: the layer's.
        """
        with self._work() as work:
            try:
                self._layout.layer(digest).rename(work / "dropped")
            except FileNotFoundError:
                return


def listing_of(tree: Path, entries: Sequence[Entry], *, epoch: int) -> Listing:
    """Read a normalised tree and list it.

    Args:
        tree: where the files are.
        entries: what is in it, sorted.
        epoch: modification time of its files, in seconds since 1970.
    """
    digest, sealed = seal(tree, entries, epoch=epoch)
    return Listing(digest=digest, epoch=epoch, entries=sealed)
