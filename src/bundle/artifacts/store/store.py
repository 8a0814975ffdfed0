"""The content-addressed store of layers, files and frames, shared by builds and installs, and by processes."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast, get_args

from bundle.artifacts.store import maintenance
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.file_cache import FileCache
from bundle.artifacts.store.frames import FrameCache, Frames
from bundle.artifacts.store.json_cache import JsonCache
from bundle.artifacts.store.layers import DamagedLayerError, Entry, Layer, LayerKind, normalise, overlay, scan
from bundle.artifacts.store.paths import StorePaths, checked
from bundle.artifacts.store.scratch import in_use, scratch_folder
from bundle.artifacts.store.trees import Listing, Trees, listing_of, write_listing
from bundle.artifacts.store.unpacking import CompressedFrame, TreeWriter, unpack
from bundle.base.errors import WorkError
from bundle.base.files import locked
from bundle.base.folders import remove_tree
from bundle.base.reflink import ChangedBytesError, Placement, place_tree
from bundle.base.staging import naming, sweep_staging
from bundle.model.manifest import Conflict, LayerRecord
from bundle.model.records import from_json

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_RULES = 2
"""Raised when the same key names another layer, or is kept in another form."""


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The layer of a key."""

    digest: str
    """The layer's."""
    name: str
    version: str
    about: Mapping[str, Any]

    @classmethod
    def read(cls, value: dict[str, Any]) -> _Made:
        checked(value["digest"])
        return from_json(cls, value)


class Store:
    """Layers by their keys, verified whenever they are found.

    Everything appears by one rename, so a process may be killed at any moment, and many may share one store.

    Args:
        root: the store's folder; made when something is added.
        reporter: told of damage and of long work.
        epoch: modification time of everything in layers, seconds since 1970; layers of another epoch are others.
        full: read every byte of a layer that is found, in place of looking at sizes, times and modes.
    """

    def __init__(self, root: Path, *, reporter: Reporter, epoch: int = 315532800, full: bool = False) -> None:
        self.root = root
        self.epoch = epoch
        self._full = full
        self.files = FileCache(root / "files", reporter=reporter)
        self._reporter = reporter
        self._paths = StorePaths(root)
        self._keys = JsonCache(self._paths.part("keys"), _Made.read, rules=_RULES)
        self._trees = Trees(self._paths, reporter=reporter)
        self._frames = FrameCache(self._paths, work=self.work, reporter=reporter, full=full)
        self._swept = False
        self._read: dict[str, int] = {}
        """When this process began to read the trees that it has put in their places, by digest."""

    def folder(self, name: str) -> Path:
        """Return a folder of the store, one of `paths.PARTS`, for another cache; made if it is missing."""
        folder = self._paths.part(name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Give an empty folder on the store's file system, removed at the end, or by a later run if this one dies."""
        if not self._swept:
            sweep_staging(self._paths.part("work"))
            self._swept = True
        with scratch_folder(self._paths.part("work")) as folder:
            yield folder

    def in_use(self) -> AbstractContextManager[None]:
        """Keep what is used during the block, by this process or another, from being pruned."""
        return in_use(self._paths.part("work"))

    def find(self, kind: LayerKind, key: Mapping[str, Any]) -> Layer | None:
        """Return the layer of a key, or None; a damaged tree is removed with a warning.

        Args:
            key: everything that shaped it, as JSON.
        """
        made = self._keys.find(self._key(kind, key))
        listing = self._trees.get(made.digest, full=self._full) if made else None
        return _layer(kind, listing, made) if made and listing and listing.epoch == self.epoch else None

    def layer(self, record: LayerRecord) -> Layer | None:
        """Return the layer that a manifest or a catalogue names, or None; a damaged tree is removed with a warning."""
        listing = self._trees.get(checked(record.digest), full=self._full)
        return _recorded(listing, record) if listing and record.kind in get_args(LayerKind) else None

    def add(
        self,
        kind: LayerKind,
        key: Mapping[str, Any],
        tree: Path,
        *,
        name: str,
        version: str,
        about: Mapping[str, Any],
    ) -> Layer:
        """Take a tree into the store as a layer; where another process was first, its layer is the answer.

        Args:
            key: everything that shaped it, as JSON.
            tree: with `bin/`, `lib/`…; it is moved, and its modes and times are normalised.
            name: of the package, or of the layer's kind.
            about: the maker's notes, as JSON.

        Raises:
            IntegrityError: the tree holds a device, or a link that points out of it.
        """
        entries = scan(tree)
        with self.work() as work:
            listing, began = self._stage(tree, entries, work, epoch=self.epoch)
            with locked(self._paths.part("keys") / f"{kind}.lock", reporter=self._reporter, what="the store"):
                if first := self.find(kind, key):
                    return first
                if self._trees.put(work / "layer", listing.digest):
                    self._read[listing.digest] = began
                value = {"digest": listing.digest, "name": name, "version": version, "about": about}
                return _layer(kind, listing, self._keys.put(self._key(kind, key), value))

    def receive(self, record: LayerRecord, file: BinaryIO, frames: Sequence[CompressedFrame]) -> Layer:
        """Take a layer that arrived compressed, whole or not at all.

        Args:
            file: holds the zstd frames, and nothing else.

        Raises:
            IntegrityError: the bytes are others than promised, or an entry is unsafe.
        """
        with self.work() as work:
            folder = work / "layer"
            folder.mkdir()
            writer = TreeWriter(folder / "tree")
            with naming(self.root):
                name = f"{record.name} {record.version}".rstrip()
                epoch = unpack(file, frames, checked(record.digest), writer.put, name=name)
                listing = Listing(digest=record.digest, epoch=epoch, entries=writer.finish())
            write_listing(folder, listing)
            self._trees.put(folder, record.digest)
        return _recorded(listing, record)

    def adopt(self, record: LayerRecord, tree: Path, *, epoch: int) -> Layer | None:
        """Take a tree as a layer if it has the layer's digest; it is moved or changed.

        Args:
            tree: on the file system of the store.
            epoch: modification time of the layer's files.
        """
        with self.work() as work:
            listing, _ = self._stage(tree, scan(tree), work, epoch=epoch)
            if listing.digest != checked(record.digest):
                return None
            self._trees.put(work / "layer", record.digest)
        return _recorded(listing, record)

    def forget(self, kind: LayerKind, key: Mapping[str, Any]) -> None:
        """Remove a key that leads to a layer of something else; the layer stays."""
        self._keys.remove(self._key(kind, key))

    def materialise(self, layers: Sequence[Layer], target: Path) -> list[Conflict]:
        """Lay layers out in a folder; changes to the files there never reach the store.

        Args:
            layers: in lock order; where two hold the same path, the later one wins.
            target: an existing, empty folder.

        Returns:
            Where the bytes of two layers differed.

        Raises:
            IntegrityError: layers do not fit on each other.
            DamagedLayerError: a layer has other bytes than it was made with; it is removed.
            WorkError: another process pruned a layer meanwhile.
        """
        held, conflicts = overlay(layers)
        epoch = max(map(self._epoch_of, layers), default=self.epoch)
        sources = {layer.digest: os.fspath(self._trees.path(layer.digest)) for layer in layers}
        root = os.fspath(target)
        folders: list[str] = []
        links: list[str] = []
        files: list[Placement] = []
        for path, (layer, entry) in held.items():
            place = f"{root}/{path}"
            if entry.kind == "file":
                read = self._read.get(layer.digest, 0)
                files.append(Placement(f"{sources[layer.digest]}/{path}", place, entry.mode, entry.sha256, read))
            elif entry.kind == "folder":
                os.mkdir(place)  # noqa: PTH102 - a path object for each of thousands of folders is slow
                folders.append(place)
            else:
                os.symlink(entry.target or "", place)  # noqa: PTH211
                links.append(place)
        try:
            with naming(target), self.dropping_damaged():
                try:
                    place_tree(files, mtime=epoch, threads=_cores())
                except ChangedBytesError as error:
                    digest = next(one for one, tree in sources.items() if error.source.startswith(f"{tree}/"))
                    raise DamagedLayerError(digest, f"{error.source} has other bytes") from error
        except FileNotFoundError as error:
            raise WorkError(
                f"A layer was removed from the store while it was used ({error.filename}).",
                cause="`bundle cache prune` ran at the same time, or a person removed it.",
                remedy="Run the same command again.",
            ) from error
        for place in [root, *folders]:
            os.chmod(place, 0o755)  # noqa: PTH101, S103 - the umask must not show in a bundle
            os.utime(place, (epoch, epoch))
        if os.utime in os.supports_follow_symlinks:
            for place in links:
                os.utime(place, (epoch, epoch), follow_symlinks=False)
        return conflicts

    def tree(self, layer: Layer) -> Path:
        """Return the folder with a layer's files, to be read only."""
        return self._trees.path(layer.digest)

    def frames(self, layers: Sequence[Layer], compression: Compression, *, verified: bool = True) -> list[Frames]:
        """Return the frames of layers; those that are missing are made, several at once.

        Args:
            verified: whether they are read and compared with their hashes now; otherwise what reads them does that.

        Raises:
            DamagedLayerError: a layer has other bytes than it was made with; it is removed.
        """
        trees = [
            (
                self._trees.path(layer.digest),
                Listing(digest=layer.digest, epoch=self._epoch_of(layer), entries=layer.entries),
            )
            for layer in layers
        ]
        with self.dropping_damaged():
            return self._frames.obtain(trees, compression, threads=_cores(), verified=verified)

    @contextmanager
    def dropping_damaged(self) -> Iterator[None]:
        """Remove the layer that turns out to be damaged in the block; its error goes on."""
        try:
            yield
        except DamagedLayerError as error:
            self._trees.drop(error.digest)
            raise

    def check(self, *, full: bool, repair: bool = False) -> list[str]:
        """Return the damage of the store, one line for each entry.

        Args:
            full: read every byte, in place of looking at sizes, times and modes.
            repair: remove damaged entries; they are made again when they are needed.
        """
        found = maintenance.find_damage(self._paths, full=full, reporter=self._reporter)
        if repair:
            for damage in found:
                remove_tree(damage.path)
        return [damage.message for damage in found]

    def prune(self, *, older_than_days: float, now: float | None = None) -> int:
        """Remove unused entries and leftovers of killed processes; return the bytes freed.

        Args:
            older_than_days: days since the last use of the entries that are removed.
            now: seconds since 1970; the clock's time if None.
        """
        return maintenance.prune(self._paths, older_than_days=older_than_days, now=now, reporter=self._reporter)

    def size(self) -> dict[str, int]:
        """Return the bytes that each part of the store takes."""
        return maintenance.size(self.root)

    def _epoch_of(self, layer: Layer) -> int:
        return self.epoch if layer.epoch is None else layer.epoch

    def _key(self, kind: str, key: Mapping[str, Any]) -> dict[str, Any]:
        return {"kind": kind, "epoch": self.epoch, "key": key}

    def _stage(self, tree: Path, entries: Sequence[Entry], work: Path, *, epoch: int) -> tuple[Listing, int]:
        folder = work / "layer"
        folder.mkdir()
        try:
            tree.rename(folder / "tree")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.move(tree, folder / "tree")
        normalise(folder / "tree", entries, epoch=epoch)
        began = time.time_ns()
        listing = listing_of(folder / "tree", entries, epoch=epoch)
        write_listing(folder, listing)
        return listing, began


def _layer(kind: LayerKind, listing: Listing, made: _Made) -> Layer:
    return Layer(
        digest=listing.digest,
        kind=kind,
        name=made.name,
        version=made.version,
        size=listing.size,
        entries=listing.entries,
        about=made.about,
    )


def _recorded(listing: Listing, record: LayerRecord) -> Layer:
    return Layer(
        digest=listing.digest,
        kind=cast("LayerKind", record.kind),
        name=record.name,
        version=record.version,
        size=listing.size,
        entries=listing.entries,
        about={},
        epoch=listing.epoch,
    )


def _cores() -> int:
    return os.cpu_count() or 1
