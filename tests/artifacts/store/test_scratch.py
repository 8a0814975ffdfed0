from __future__ import annotations

from pathlib import Path

from bundle.artifacts.store.scratch import place_new, scratch_folder, touch
from bundle.base.staging import sweep_staging


def test_a_scratch_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "work") as folder:
        (folder / "half").mkdir()

    assert list((tmp_path / "work").iterdir()) == []


def test_a_scratch_folder_in_use_is_not_swept(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        sweep_staging(tmp_path)
        assert folder.is_dir()


def test_a_folder_is_placed_only_where_nothing_is(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()

    assert place_new(tmp_path / "first", tmp_path / "deep" / "place")
    assert not place_new(tmp_path / "second", tmp_path / "deep" / "place")
    assert (tmp_path / "deep" / "place" / "first").is_file()
    assert (tmp_path / "second" / "second").is_file()


def test_the_time_of_use_is_no_reason_to_fail(tmp_path: Path) -> None:
    touch(tmp_path / "absent")

    assert not (tmp_path / "absent").exists()
