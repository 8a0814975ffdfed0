"""Compressed frames of layers, kept so that packing a known layer is a copy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bundle.artifacts.store.frames import Frame, compress, compressor_name
from bundle.artifacts.store.layers import tar_chunks, tar_size
from bundle.artifacts.store.scratch import touch
from bundle.base.errors import IntegrityError
from bundle.base.files import pretty_json, sha256_of, sweep_staging, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from bundle.artifacts.store.paths import Layout
    from bundle.artifacts.store.trees import Listing
    from bundle.base.report import Reporter


class FrameCache:
    """Frames by layer and compressor, each with a record of its hash and size.

    A frame without a record, or a record without a frame, counts as absent: it is what a killed process leaves.

    Args:
        layout: where they are.
        reporter: told of damage.
    """

    def __init__(self, layout: Layout, *, reporter: Reporter) -> None:
        self._layout = layout
        self._reporter = reporter

    def get(self, digest: str, format: str) -> Frame | None:  # noqa: A002 - the word of the configuration
        """Return a layer's frame, its bytes not read yet, or None.

        Args:
            digest: the layer's.
            format: one of `bundle.artifacts.frames.FORMATS`.
        """
        frame = self._recorded(self._layout.frame(digest, compressor_name(format)))
        if frame is not None:
            touch(self._layout.record(frame.path))
        return frame

    def make(self, tree: Path, listing: Listing, format: str, *, threads: int) -> Frame:  # noqa: A002
        """Compress a layer.

        Args:
            tree: where its files are.
            listing: what is in it.
            format: one of `bundle.artifacts.frames.FORMATS`.
            threads: how many may compress.

        Raises:
            IntegrityError: the tree is not what the layer's digest says.
        """
        path = self._layout.frame(listing.digest, compressor_name(format))
        sweep_staging(path.parent)
        size = tar_size(listing.entries, epoch=listing.epoch)
        frame = compress(_verified(tree, listing), size, path, format=format, threads=threads)
        write_atomically(self._layout.record(path), pretty_json({"sha256": frame.sha256, "size": frame.size}))
        return frame

    def sound(self, digest: str) -> Iterator[Frame]:
        """Yield each frame of a layer whose bytes are what its record says, made by whatever compressor.

        Args:
            digest: the layer's.
        """
        for path in self._layout.frames(digest):
            frame = self._recorded(path)
            if frame is not None and self.is_sound(frame):
                yield frame

    def is_sound(self, frame: Frame) -> bool:
        """Read a frame; when it is not what its record says, remove it with a warning and say False.

        Args:
            frame: as recorded.
        """
        try:
            if sha256_of(frame.path) == frame.sha256:
                return True
        except FileNotFoundError:
            return False
        self.reject(frame)
        return False

    def reject(self, frame: Frame) -> None:
        """Remove a frame that was found damaged, with a warning.

        Args:
            frame: as recorded.
        """
        self._reporter.warning(f"A compressed layer of the store was damaged and is made again ({frame.path}).")
        self._layout.record(frame.path).unlink(missing_ok=True)
        frame.path.unlink(missing_ok=True)

    def _recorded(self, path: Path) -> Frame | None:
        frame = read_record(self._layout, path)
        if frame is None:
            return None
        try:
            if path.stat().st_size == frame.size:
                return frame
        except FileNotFoundError:
            return None
        self.reject(frame)
        return None


def read_record(layout: Layout, path: Path) -> Frame | None:
    """Return what the record of a frame says, or None if it has none that can be read.

    Args:
        layout: of the store.
        path: the frame.
    """
    try:
        record = json.loads(layout.record(path).read_bytes())
        return Frame(path=path, sha256=str(record["sha256"]), size=int(record["size"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _verified(tree: Path, listing: Listing) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in tar_chunks(tree, listing.entries, epoch=listing.epoch):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != listing.digest:
        raise IntegrityError(
            f"A layer of the store changed while it was read ({tree}).",
            remedy="`bundle cache verify --repair` removes it; the next build makes it again.",
        )
