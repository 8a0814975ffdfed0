"""The content-addressed store of layers, files and frames, shared by builds and installs, and by processes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.artifacts.store import maintenance
from bundle.artifacts.store.file_cache import FileCache
from bundle.artifacts.store.frame_cache import FrameCache
from bundle.artifacts.store.frames import Frame, end_frame
from bundle.artifacts.store.keys import KeyRecord, read_key, write_key
from bundle.artifacts.store.layers import TOP, Entry, Layer, LayerKind, normalise, overlay, scan
from bundle.artifacts.store.paths import Layout
from bundle.artifacts.store.scratch import naming, scratch_folder, touch
from bundle.artifacts.store.trees import Listing, Trees, listing_of, write_listing
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.files import canonical_json, locked, sweep_staging
from bundle.base.reflink import place_tree
from bundle.model.manifest import Conflict

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_FORMAT = 1

_LARGE = 64 * 2**20
"""Bytes from which on one layer is compressed by several threads; small ones are compressed side by side."""

_FOLDERS = frozenset({"audits", "built", "metadata", "pages", "repositories", "urls", "verified"})


class Store:
    """Layers found by what shaped them, verified whenever they are found.

    Everything appears by one rename, so a process may be killed at any moment, and many may share one store.

    Args:
        root: the store's folder; made when something is added.
        reporter: told of damage and of long work.
        epoch: modification time of everything in layers, seconds since 1970; layers of another epoch are others.
    """

    def __init__(self, root: Path, *, reporter: Reporter, epoch: int = 315532800) -> None:
        self.root = root
        self.epoch = epoch
        self.files = FileCache(root / "files", reporter=reporter)
        self._reporter = reporter
        self._layout = Layout(root)
        self._trees = Trees(self._layout, work=self.work, reporter=reporter)
        self._frames = FrameCache(self._layout, reporter=reporter)
        self._swept = False

    def folder(self, name: str) -> Path:
        """Return a folder of the store for other caches, made if it is missing.

        Args:
            name: one of audits, built, metadata, pages, repositories, urls, verified.
        """
        if name not in _FOLDERS:
            raise ValueError(f"{name!r} is none of the store's folders: {', '.join(sorted(_FOLDERS))}")
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Give an empty folder on the store's file system, removed at the end, or by a later run if this one dies."""
        if not self._swept:
            sweep_staging(self._layout.work)
            self._swept = True
        with scratch_folder(self._layout.work) as folder:
            yield folder

    def find(self, kind: LayerKind, key: Mapping[str, Any], *, full: bool = False) -> Layer | None:
        """Return the layer that was made from something, or None.

        A tree that was damaged is removed with a warning, and made again from its compressed frame if that is sound.

        Args:
            kind: the kind of the layer.
            key: everything that shaped it, as JSON.
            full: read every byte, in place of looking at sizes, times and modes.
        """
        path = self._key_path(kind, key)
        try:
            record = read_key(path)
        except FileNotFoundError:
            return None
        except IntegrityError as error:
            self._reporter.warning(f"A key of the store was damaged and is removed: {error.what}")
            path.unlink(missing_ok=True)
            return None
        listing = self._trees.get(record.digest, full=full) or self._rebuild(record.digest)
        if listing is None:
            return None
        touch(path)
        return _layer(kind, listing, record)

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
            kind: the kind of the layer.
            key: everything that shaped it, as JSON.
            tree: with `bin/`, `lib/`…; it is moved, and its modes and times are normalised.
            name: of the package, or of what else it is.
            version: of that.
            about: what the maker wants to keep, as JSON.

        Raises:
            IntegrityError: the tree holds a device, or a link that points out of it.
        """
        entries = scan(tree)
        path = self._key_path(kind, key)
        with self.work() as work:
            listing = self._stage(tree, entries, work)
            with locked(self.root / "keys" / kind / "lock", reporter=self._reporter, what="the store"):
                if first := self.find(kind, key):
                    return first
                self._trees.put(work / "layer", listing.digest)
                # As JSON reads it back, so that whoever makes a layer and whoever finds it have the same.
                plain = json.loads(canonical_json(about))
                record = KeyRecord(key=key, digest=listing.digest, name=name, version=version, about=plain)
                write_key(path, record)
        return _layer(kind, listing, record)

    def materialise(self, layers: Sequence[Layer], target: Path, *, full: bool = False) -> list[Conflict]:
        """Lay layers out in a folder; what is done to the files there never reaches the store.

        Args:
            layers: in lock order; where two hold the same path, the later one wins.
            target: an existing, empty folder.
            full: read every byte of the layers first.

        Returns:
            Where the bytes of two layers differed.

        Raises:
            IntegrityError: layers do not fit on each other, or, with `full`, one is damaged.
            WorkError: another process pruned a layer meanwhile.
        """
        held, conflicts = overlay(layers)
        for layer in layers if full else ():
            if not (self._trees.get(layer.digest, full=True) or self._rebuild(layer.digest)):
                raise IntegrityError(
                    f"The layer of {layer.name} {layer.version} is damaged in the store and was removed.",
                    remedy="Run the same command again: it makes the layer anew.",
                )
        sources = {layer.digest: os.fspath(self._trees.path(layer.digest)) for layer in layers}
        root = os.fspath(target)
        folders: list[str] = []
        links: list[str] = []
        files: list[tuple[Path, Path, int]] = []
        for path, (layer, entry) in held.items():
            place = f"{root}/{path}"
            if entry.kind == "file":
                files.append((Path(f"{sources[layer.digest]}/{path}"), Path(place), entry.mode))
            elif entry.kind == "folder":
                os.mkdir(place)  # noqa: PTH102 - a path object for each of thousands of folders is slow
                folders.append(place)
            else:
                os.symlink(entry.target or "", place)  # noqa: PTH211
                links.append(place)
        try:
            with naming(target):
                place_tree(files, mtime=self.epoch, threads=_cores())
        except FileNotFoundError as error:
            raise WorkError(
                f"A layer vanished from the store while it was used ({error.filename}).",
                cause="`bundle cache prune` ran at the same time, or somebody removed it.",
                remedy="Run the same command again.",
            ) from error
        for place in [root, *folders]:
            os.chmod(place, 0o755)  # noqa: PTH101, S103 - the umask must not show in a bundle
            os.utime(place, (self.epoch, self.epoch))
        if os.utime in os.supports_follow_symlinks:
            for place in links:
                os.utime(place, (self.epoch, self.epoch), follow_symlinks=False)
        return conflicts

    def tree(self, layer: Layer) -> Path:
        """Return the folder with a layer's files, to be read only.

        Args:
            layer: found or added just now.
        """
        return self._trees.path(layer.digest)

    def frame(self, layer: Layer, format: str) -> Path:  # noqa: A002 - the word of the configuration
        """Return a layer's compressed tar entries, read and verified now, or made.

        Args:
            layer: found or added just now.
            format: one of `bundle.artifacts.frames.FORMATS`.
        """
        frame = self._frames.get(layer.digest, format)
        if frame is None or not self._frames.is_sound(frame):
            frame = self._make_frame(layer, format, threads=_cores())
        return frame.path

    def frames(self, layers: Sequence[Layer], format: str) -> list[Frame]:  # noqa: A002
        """Return the frames of layers, those that are missing made side by side.

        Args:
            layers: found or added just now.
            format: one of `bundle.artifacts.frames.FORMATS`.

        Returns:
            The frames in the order of the layers, their bytes not read: whoever does compares them with the hash.
        """
        known = {layer.digest: self._frames.get(layer.digest, format) for layer in layers}
        missing = {layer.digest: layer for layer in layers if known[layer.digest] is None}
        # The largest first, so that none is left to be waited for.
        for layer in sorted(missing.values(), key=lambda layer: -layer.size):
            if layer.size >= _LARGE:
                known[layer.digest] = self._make_frame(layer, format, threads=_cores())
        small = sorted((layer for layer in missing.values() if layer.size < _LARGE), key=lambda layer: -layer.size)
        if small:
            with ThreadPoolExecutor(_cores()) as pool:
                made = pool.map(partial(self._make_frame, format=format, threads=1), small)
                known.update((layer.digest, frame) for layer, frame in zip(small, made, strict=True))
        return [frame for layer in layers if (frame := known[layer.digest])]

    def reject_frame(self, frame: Frame) -> None:
        """Remove a frame whose bytes were found to be others, with a warning.

        Args:
            frame: from `frames`.
        """
        self._frames.reject(frame)

    def check(self, *, full: bool, repair: bool = False) -> list[str]:
        """Return what is damaged in the store, one line each.

        Args:
            full: read every byte, in place of looking at sizes, times and modes.
            repair: remove what is damaged; it is made again when it is needed.
        """
        found = maintenance.find_damage(self._layout, full=full, reporter=self._reporter)
        if repair:
            for damage in found:
                damage.remove()
        return [damage.message for damage in found]

    def prune(self, *, older_than_days: float, now: float | None = None) -> int:
        """Remove what was not used for a while, and what killed processes left; return the bytes freed.

        Args:
            older_than_days: how long it was not used.
            now: seconds since 1970; the clock's time if None.
        """
        with self.work() as work:
            return maintenance.prune(self._layout, older_than_days=older_than_days, now=now, work=work)

    def size(self) -> dict[str, int]:
        """Return the bytes that each part of the store takes."""
        return maintenance.size(self.root)

    def _key_path(self, kind: str, key: Mapping[str, Any]) -> Path:
        whole = {"format": _FORMAT, "epoch": self.epoch, "key": key}
        return self._layout.key(kind, hashlib.sha256(canonical_json(whole)).hexdigest())

    def _stage(self, tree: Path, entries: Sequence[Entry], work: Path) -> Listing:
        folder = work / "layer"
        folder.mkdir()
        try:
            tree.rename(folder / "tree")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.move(tree, folder / "tree")
        normalise(folder / "tree", entries, epoch=self.epoch)
        listing = listing_of(folder / "tree", entries, epoch=self.epoch)
        with naming(self.root):
            write_listing(folder, listing)
        return listing

    def _make_frame(self, layer: Layer, format: str, *, threads: int) -> Frame:  # noqa: A002
        listing = Listing(digest=layer.digest, epoch=self.epoch, entries=layer.entries)
        with self._reporter.task(f"compressing {layer.name} {layer.version}"):
            return self._frames.make(self._trees.path(layer.digest), listing, format, threads=threads)

    def _rebuild(self, digest: str) -> Listing | None:
        """Make a tree again from its compressed frame."""
        from bundle.base.extract import extract

        for frame in self._frames.sound(digest):
            with self.work() as work:
                with (work / "archive").open("wb") as archive:
                    with frame.path.open("rb") as file:
                        shutil.copyfileobj(file, archive, 2**20)
                    archive.write(end_frame("tar.zst" if frame.path.suffix == ".zst" else "tar.gz"))
                extract(work / "archive", work / "out")
                listing = self._stage(work / "out" / TOP, scan(work / "out" / TOP), work)
                if listing.digest == digest:
                    self._trees.put(work / "layer", digest)
                    self._reporter.info(f"A layer of the store was made again from its compressed form ({digest}).")
                    return listing
        return None


def _layer(kind: LayerKind, listing: Listing, record: KeyRecord) -> Layer:
    return Layer(
        digest=listing.digest,
        kind=kind,
        name=record.name,
        version=record.version,
        size=listing.size,
        entries=listing.entries,
        about=record.about,
    )


def _cores() -> int:
    return os.cpu_count() or 1
