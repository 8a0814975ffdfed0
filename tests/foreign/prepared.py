"""A prepared interpreter for another platform, packed as somebody would publish it."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import zstandard

from bundle.base.files import sha256_of
from bundle.base.folders import remove_tree
from tests.foreign.cache import kept


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An interpreter archive for tests."""

    key: str
    """The platform's."""
    python: str
    """Its full version."""
    path: Path
    """The archive."""

    @cached_property
    def sha256(self) -> str:
        """Of the archive."""
        return sha256_of(self.path)

    @property
    def option(self) -> str:
        """The value of `--interpreter` that takes it."""
        return f"{self.key}={self.path}"

    @property
    def config(self) -> dict[str, str]:
        """The value of `interpreter.archives.<platform>` that takes it."""
        return {"path": str(self.path), "sha256": self.sha256}


def kept_archive(name: str, shaped_by: str, assemble: Callable[[Path], None]) -> Path:
    """Return a packed tree from the cache, assembled and packed first if it is not there.

    Args:
        name: of the archive; ends with `.tar.zst`.
        shaped_by: everything that the tree is made from, as one text.
        assemble: fills an absent folder with what stands below the archive's top folder `python/`.
    """

    def make(target: Path) -> None:
        tree = target.with_name("python")
        remove_tree(tree)
        assemble(tree)
        pack(tree, target)
        remove_tree(tree)

    digest = sha256(shaped_by.encode()).hexdigest()[:16]
    return kept(f"interpreters/{digest}/{name}", make)


def pack(tree: Path, target: Path) -> None:
    """Pack a folder as `python/` into a .tar.zst; the same tree gives the same bytes."""

    def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    compressor = zstandard.ZstdCompressor(level=3, threads=2)
    with (
        target.open("wb") as file,
        compressor.stream_writer(file) as stream,
        tarfile.open(fileobj=stream, mode="w|") as archive,
    ):
        archive.add(tree, arcname="python", filter=neutral)
