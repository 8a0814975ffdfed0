"""The store's folders, and the paths of their entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import IntegrityError
from bundle.base.folders import files_below

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One folder of the store: how its entries are found, checked, swept and pruned."""

    entries: str = ""
    """Glob of the folders that are removed as a whole; empty: each file is an entry of its own."""
    json: bool = False
    """Whether it is a `JsonCache`."""
    locks: bool = False
    """Whether `<entry>.lock` is held while an entry is used."""


PARTS: Mapping[str, Part] = {
    "audits": Part(json=True),
    "built": Part(json=True),
    "failed": Part(entries="*/"),
    "files": Part(entries="??/*"),
    "frames": Part(entries="??/*"),
    "keys": Part(json=True),
    "layers": Part(entries="??/*"),
    "metadata": Part(json=True),
    "pages": Part(json=True),
    "repositories": Part(entries="*/", locks=True),
    "urls": Part(json=True),
    "verified": Part(json=True),
    "work": Part(entries="wine-*/"),
}
"""Every folder of the store; sweeping, pruning and checking go through this table."""


@dataclass(frozen=True)
class StorePaths:
    """The paths below a store's root; only the listings touch the disk."""

    root: Path

    def part(self, name: str) -> Path:
        """Return one of the store's folders.

        Raises:
            ValueError: the store has no such folder.
        """
        if name not in PARTS:
            raise ValueError(f"{name!r} is not a folder of the store: {', '.join(sorted(PARTS))}")
        return self.root / name

    def layer(self, digest: str) -> Path:
        """Return the folder of a layer: its `tree/`, its `layer.json` and `used`, whose time tells the last use."""
        return self.root / "layers" / checked(digest)[:2] / digest

    def frames(self, digest: str, compressor: str) -> Path:
        """Return the folder of a layer's frames: their bytes in `data`, and `frames.json`.

        Args:
            compressor: see `frames.compressor_name`; other compressors make other bytes.
        """
        return self.root / "frames" / checked(digest)[:2] / f"{digest}.{compressor}"

    def entries(self, name: str) -> Iterator[Path]:
        """List the entries of a part, whether folders or single files; lock files are none."""
        part, folder = PARTS[name], self.root / name
        if part.entries:
            found = folder.glob(part.entries)
        else:
            files = (Path(entry) for entry in files_below(folder) if entry.is_file())
            found = (path for path in files if path.suffix != ".lock")
        return iter(sorted(path for path in found if path.name[0] != "."))

    def staging_folders(self) -> Iterator[Path]:
        """List the folders in which killed processes may have left half-made files and folders."""
        for name, part in PARTS.items():
            parts = part.entries.rstrip("/").split("/") if part.entries else ["??"]
            for depth in range(len(parts) + 1):
                yield from (path for path in self.root.glob("/".join([name, *parts[:depth]])) if path.is_dir())


def checked(digest: str) -> str:
    """Return a SHA-256 as it came, if it is one: it becomes part of a path.

    Raises:
        IntegrityError: it is none.
    """
    if not _SHA256.fullmatch(digest):
        raise IntegrityError(f"{digest!r} is not a SHA-256.")
    return digest
