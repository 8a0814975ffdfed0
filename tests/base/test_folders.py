from __future__ import annotations

import os
import stat
from pathlib import Path

from bundle.base.folders import copy_tree, listing, remove_tree


def tree(folder: Path) -> Path:
    (folder / "lib" / "empty").mkdir(parents=True)
    (folder / "lib" / "tool").write_text("x")
    (folder / "lib" / "tool").chmod(0o755)
    (folder / "link").symlink_to("lib/tool")
    os.utime(folder / "lib" / "tool", (1_000, 1_000))
    return folder


def test_everything_below_a_folder_is_listed_and_links_are_not_followed(tmp_path: Path) -> None:
    found = listing(tree(tmp_path / "a"))
    assert set(found) == {"lib", "lib/empty", "lib/tool", "link"}
    assert stat.S_ISLNK(found["link"].st_mode)


def test_a_copy_has_the_same_entries_modes_and_links(tmp_path: Path) -> None:
    source = tree(tmp_path / "a")
    copy_tree(source, tmp_path / "b" / "c")
    before, after = listing(source), listing(tmp_path / "b" / "c")
    assert {path: status.st_mode for path, status in before.items()} == {
        path: status.st_mode for path, status in after.items()
    }
    assert (tmp_path / "b" / "c" / "link").readlink() == Path("lib/tool")
    assert after["lib/tool"].st_mtime == 1_000


def test_a_read_only_copy_has_no_permission_to_write(tmp_path: Path) -> None:
    copy_tree(tree(tmp_path / "a"), tmp_path / "b", read_only=True)
    modes = [status.st_mode for status in listing(tmp_path / "b").values() if not stat.S_ISLNK(status.st_mode)]
    modes.append((tmp_path / "b").stat().st_mode)
    assert [mode for mode in modes if mode & 0o222] == []
    remove_tree(tmp_path / "b")


def test_read_only_trees_links_and_nothing_at_all_can_be_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "locked").mkdir(parents=True)
    (tree / "locked" / "file").write_text("")
    (tree / "locked").chmod(0o500)
    kept = tmp_path / "kept"
    kept.mkdir()
    (tree / "link").symlink_to(kept)
    remove_tree(tree)
    remove_tree(tree)
    link = tmp_path / "link"
    link.symlink_to(kept)
    remove_tree(link)
    assert list(tmp_path.iterdir()) == [kept]
