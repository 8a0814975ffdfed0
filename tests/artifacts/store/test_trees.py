from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.artifacts.store.layers import Entry, normalise, scan
from bundle.artifacts.store.trees import (
    Listing,
    damage,
    listing_of,
    read_listing,
    stamp_difference,
    write_listing,
)
from tests.artifacts.trees import SMALL, grow

EPOCH = 315532800


def make(folder: Path) -> Listing:
    """Make a layer's folder, as the store keeps it, and name it by its digest."""
    grow(folder / "tree", SMALL)
    entries: tuple[Entry, ...] = scan(folder / "tree")
    normalise(folder / "tree", entries, epoch=EPOCH)
    listing = listing_of(folder / "tree", entries, epoch=EPOCH)
    write_listing(folder, listing)
    folder.rename(folder.with_name(listing.digest))
    return listing


def test_a_listing_is_read_as_it_was_written(tmp_path: Path) -> None:
    listing = make(tmp_path / "layer")

    assert read_listing(tmp_path / listing.digest) == listing


def test_the_listing_of_another_layer_is_none(tmp_path: Path) -> None:
    listing = make(tmp_path / "layer")
    other = tmp_path / ("0" * 64)
    (tmp_path / listing.digest).rename(other)

    assert read_listing(other) is None
    assert damage(other, full=False) == "its listing cannot be read"


def test_a_listing_that_was_made_to_fit_a_changed_tree_is_found_out_by_the_digest(tmp_path: Path) -> None:
    listing = make(tmp_path / "layer")
    folder = tmp_path / listing.digest
    (folder / "tree/lib/python3.12/os.py").write_bytes(b"name = 'virus'\n")
    os.utime(folder / "tree/lib/python3.12/os.py", (EPOCH, EPOCH))
    forged = listing_of(folder / "tree", listing.entries, epoch=EPOCH)
    write_listing(folder, Listing(digest=listing.digest, epoch=EPOCH, entries=forged.entries))

    assert damage(folder, full=False) is None
    assert damage(folder, full=True) == "its listing is not the one that it was made with"


def edit_in_place(root: Path) -> None:
    (root / "lib/python3.12/os.py").write_bytes(b"name = 'posiy'\n")


def grow_file(root: Path) -> None:
    path = root / "lib/python3.12/os.py"
    path.write_bytes(b"name = 'posix'\n\n")
    os.utime(path, (EPOCH, EPOCH))


def change_mode(root: Path) -> None:
    (root / "lib/python3.12/os.py").chmod(0o755)


def remove_file(root: Path) -> None:
    (root / "lib/python3.12/os.py").unlink()


def add_file(root: Path) -> None:
    (root / "lib/python3.12/os.pyc").touch()


def turn_link(root: Path) -> None:
    (root / "bin/python3").unlink()
    (root / "bin/python3").symlink_to("python3.13")


def folder_for_file(root: Path) -> None:
    (root / "lib/python3.12/os.py").unlink()
    (root / "lib/python3.12/os.py").mkdir()


def file_for_folder(root: Path) -> None:
    (root / "lib/python3.12/empty").rmdir()
    (root / "lib/python3.12/empty").touch()


def remove_all(root: Path) -> None:
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "harm",
    [
        edit_in_place,
        grow_file,
        change_mode,
        remove_file,
        add_file,
        turn_link,
        folder_for_file,
        file_for_folder,
        remove_all,
    ],
)
def test_whatever_is_done_to_a_stored_tree_is_seen_without_reading_it(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    listing = make(tmp_path / "layer")
    tree = tmp_path / listing.digest / "tree"
    assert stamp_difference(tree, listing.entries, epoch=EPOCH) is None

    harm(tree)

    assert stamp_difference(tree, listing.entries, epoch=EPOCH)
