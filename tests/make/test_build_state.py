from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.make.build_state import (
    Record,
    file_stamp,
    fingerprint,
    last_manifest,
    read_record,
    tree_stamp,
    write_record,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("one")
    (root / "bin" / "alias").symlink_to("tool")
    return root


def test_a_tree_that_nobody_touched_has_the_same_stamp(tree: Path) -> None:
    assert tree_stamp(tree) == tree_stamp(tree)


@pytest.mark.parametrize("change", ["content", "mode", "removed", "added", "link", "time"])
def test_every_change_of_a_tree_shows(tree: Path, change: str) -> None:
    before = tree_stamp(tree)
    tool = tree / "bin" / "tool"
    if change == "content":
        tool.write_text("another")
    elif change == "mode":
        tool.chmod(0o700)
    elif change == "removed":
        tool.unlink()
    elif change == "added":
        (tree / "bin" / "more").touch()
    elif change == "link":
        (tree / "bin" / "alias").unlink()
        (tree / "bin" / "alias").symlink_to("./tool")
    else:
        os.utime(tool, (1, 1))
    assert tree_stamp(tree) != before


def test_no_tree_and_no_file_have_empty_stamps(tmp_path: Path) -> None:
    assert tree_stamp(tmp_path / "absent") == ""
    assert file_stamp(tmp_path / "absent") == ""


def test_the_fingerprint_covers_values_content_and_absence(tmp_path: Path) -> None:
    one = tmp_path / "one.json"
    absent = fingerprint({"a": 1}, [one])
    one.write_text("{}")
    empty = fingerprint({"a": 1}, [one])
    other_value = fingerprint({"a": 2}, [one])
    one.write_text("[]")
    assert len({absent, empty, other_value, fingerprint({"a": 1}, [one])}) == 4


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record(inputs="i", tree="t", archives={"a.tar.zst": "1 2 3"}, result={"status": "built"})
    write_record(tmp_path / "deep" / "record.json", record)
    assert read_record(tmp_path / "deep" / "record.json") == record


def test_a_record_that_is_missing_or_of_another_form_counts_as_none(tmp_path: Path) -> None:
    assert read_record(tmp_path / "record.json") is None
    (tmp_path / "record.json").write_text('{"inputs": 1, "more": 2}')
    assert read_record(tmp_path / "record.json") is None


def test_modules_that_python_compiled_count_only_where_the_bundle_has_them(tree: Path) -> None:
    without, before = tree_stamp(tree, caches=False), tree_stamp(tree)
    (tree / "bin" / "__pycache__").mkdir()
    (tree / "bin" / "__pycache__" / "tool.pyc").touch()
    assert tree_stamp(tree, caches=False) == without
    assert tree_stamp(tree) != before


def test_the_manifest_of_the_last_build_is_found_by_the_bundles_folder(tmp_path: Path) -> None:
    record = Record(inputs="i", tree="t", archives={}, result={}, manifest="m")
    write_record(tmp_path / ".state" / "3.12.10-linux-x64.json", record)
    assert last_manifest(tmp_path / "3.12.10" / "linux-x64") == "m"
    assert last_manifest(tmp_path / "3.12.10" / "windows-x64") == ""
    assert last_manifest(tmp_path) == ""
