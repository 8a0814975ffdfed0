from __future__ import annotations

from pathlib import Path

from bundle.base.placement import keep_apart


def test_the_hint_changes_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    mode = tmp_path.stat().st_mode
    keep_apart(tmp_path)
    keep_apart(tmp_path)
    assert (tmp_path / "tree" / "file").read_text() == "content"
    assert tmp_path.stat().st_mode == mode
    (tmp_path / "another").mkdir()


def test_a_folder_that_cannot_take_the_hint_is_left_alone(tmp_path: Path) -> None:
    keep_apart(tmp_path / "absent")
    (tmp_path / "file").touch()
    keep_apart(tmp_path / "file")
    keep_apart(Path("/proc"))
