"""Layers made again from the files of an install, so that an upgrade needs no store to fetch only what is new."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.layers import Entry, Layer
from bundle.artifacts.store.unpacking import entry_obstacle
from bundle.base.files import sha256_of
from bundle.base.folders import listing
from bundle.base.reflink import ChangedBytesError, Placement, place_tree
from bundle.model.file_list import DESCRIPTIONS, ListedLayer
from bundle.model.manifest import MANIFEST, LayerRecord
from bundle.run.install.documents import read_file_list

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store


def layers_from(tree: Path, wanted: Sequence[LayerRecord], store: Store) -> Iterator[Layer]:
    """Make layers again from an install, as far as its files are as they were; each has the digest that is wanted.

    A list names each path for one layer only. What others had of it is missing there, such as the folders, so a layer
    of which another one replaced a file cannot be made again: its digest tells.

    Args:
        tree: the folder of the install.
    """
    files = read_file_list(tree)
    if files is None:
        return
    listed = {layer.digest: layer for layer in files.layers if layer.digest}
    found = listing(tree)
    for record in wanted:
        if record.digest not in listed:
            continue
        entries = _entries(listed[record.digest])
        if entries is None or not all(_is_like(entry, found) for entry in entries):
            continue
        with store.work() as work:
            copy = work / "tree"
            try:
                _copy(tree, entries, copy)
            except (ChangedBytesError, OSError):
                continue
            if layer := store.adopt(record, copy, epoch=int(found[MANIFEST].st_mtime)):
                yield layer


def documents_from(tree: Path, store: Store) -> Layer | None:
    """Make the layer of an install's documents again, whose digest no list names; None where there is no list."""
    files = read_file_list(tree)
    listed = [_entries(layer) for layer in files.layers if not layer.digest] if files else [None]
    if None in listed:
        return None
    entries = [entry for some in listed for entry in some or ()]
    hashes = {path: sha256_of(tree / path) for path in sorted(DESCRIPTIONS)}
    own = [Entry(path, "file", False, (tree / path).stat().st_size, sha256, None) for path, sha256 in hashes.items()]
    with store.work() as work:
        try:
            _copy(tree, [*entries, *own], work / "tree")
        except (ChangedBytesError, OSError):
            return None
        return store.add("manifest", {"installed": hashes}, work / "tree", name=MANIFEST, version="", about={})


def _entries(layer: ListedLayer) -> list[Entry] | None:
    """Return the entries of a listed layer with the folders above them; None if one is unsafe."""
    entries = [
        Entry(one.path, one.kind, bool(one.mode & 0o111), one.size, one.sha256, one.target)  # type: ignore[arg-type]
        if one.kind == "file"
        else Entry(one.path, one.kind, False, 0, None, one.target)  # type: ignore[arg-type]
        for one in layer.entries
    ]
    if any(map(entry_obstacle, entries)):
        return None
    above = {entry.path[:end] for entry in entries for end, sign in enumerate(entry.path) if sign == "/"}
    missing = above - {entry.path for entry in entries}
    return [*(Entry(path, "folder", False, 0, None, None) for path in sorted(missing)), *entries]


def _is_like(entry: Entry, found: Mapping[str, os.stat_result]) -> bool:
    status = found.get(entry.path)
    if status is None:
        return False
    if entry.kind == "file":
        return stat.S_ISREG(status.st_mode) and status.st_size == entry.size
    return stat.S_ISDIR(status.st_mode) if entry.kind == "folder" else stat.S_ISLNK(status.st_mode)


def _copy(tree: Path, entries: Sequence[Entry], target: Path) -> None:
    target.mkdir()
    for entry in entries:
        if entry.kind == "folder":
            (target / entry.path).mkdir(parents=True, exist_ok=True)
        elif entry.kind == "symlink":
            (target / entry.path).parent.mkdir(parents=True, exist_ok=True)
            (target / entry.path).symlink_to(entry.target or "")
    place_tree(
        [
            Placement(f"{tree}/{entry.path}", f"{target}/{entry.path}", entry.mode, entry.sha256)
            for entry in entries
            if entry.kind == "file"
        ],
        mtime=0,
    )
