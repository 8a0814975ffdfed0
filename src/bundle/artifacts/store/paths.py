"""Where everything is in the store's folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The folders and files below a store's root, named by digests; nothing here touches the disk but the listings."""

    root: Path

    @property
    def work(self) -> Path:
        """Where things are made, before they are renamed to their place."""
        return self.root / "work"

    @property
    def files(self) -> Path:
        """Downloads and built wheels, by their hash."""
        return self.root / "files"

    def layer(self, digest: str) -> Path:
        """Return the folder of a layer: its `tree/`, its `layer.json` and `used`, whose time tells the last use."""
        return self.root / "layers" / digest[:2] / digest

    def key(self, kind: str, digest: str) -> Path:
        """Return the file that leads from what shaped a layer to the layer.

        Args:
            kind: the kind of the layer.
            digest: SHA-256 of the canonical key.
        """
        return self.root / "keys" / kind / digest[:2] / f"{digest}.json"

    def frame(self, digest: str, name: str) -> Path:
        """Return the file of a layer's compressed tar entries.

        Args:
            digest: the layer's.
            name: compressor and format, such as `zstd-1.5.7-9.tar.zst`: other compressors make other bytes.
        """
        return self.root / "frames" / digest[:2] / f"{digest}.{name}"

    def record(self, frame: Path) -> Path:
        """Return the file that holds hash and size of a frame; its time tells the last use."""
        return frame.with_name(frame.name + ".json")

    def layers(self) -> Iterator[Path]:
        """List the folders of all layers."""
        return iter(sorted(self.root.glob("layers/??/*")))

    def key_files(self) -> Iterator[Path]:
        """List the files of all keys."""
        return iter(sorted(self.root.glob("keys/*/??/*.json")))

    def frames(self, digest: str | None = None) -> Iterator[Path]:
        """List the frames of one layer or of all, with a record or without."""
        pattern = f"frames/{digest[:2]}/{digest}.*" if digest else "frames/??/*"
        return (path for path in sorted(self.root.glob(pattern)) if path.suffix != ".json" and path.name[0] != ".")

    def records(self) -> Iterator[Path]:
        """List the records of all frames, with a frame or without."""
        return (path for path in sorted(self.root.glob("frames/??/*.json")) if path.name[0] != ".")

    def downloads(self) -> Iterator[Path]:
        """List the folders of all files, each named by its hash."""
        return iter(sorted(self.files.glob("??/*")))
