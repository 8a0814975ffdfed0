from __future__ import annotations

import os
import stat
from pathlib import Path

from bundle.base.files import remove_tree
from bundle.base.folders import copy_tree, listing


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
