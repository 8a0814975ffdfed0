from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.run.sessions.workplace import workplace


def test_a_folder_goes_with_its_run(tmp_path: Path) -> None:
    with workplace(tmp_path / "root") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    assert list((tmp_path / "root").iterdir()) == []
    assert (tmp_path / "root").stat().st_mode & 0o077 == 0


def test_a_folder_may_stay(tmp_path: Path) -> None:
    with workplace(tmp_path, keep=True) as folder:
        (folder / "file").write_text("x")
    with workplace(tmp_path):
        assert (folder / "file").read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("keep", [False, True])
def test_other_users_pass_through_where_sessions_are_theirs(tmp_path: Path, keep: bool) -> None:
    for shared, mode in ((False, 0o700), (True, 0o711)):
        root = tmp_path / str(shared)
        with workplace(root, keep=keep, shared=shared) as folder:
            assert [one.stat().st_mode & 0o777 for one in (root, folder)] == [mode, mode]


def test_what_goes_wrong_in_a_run_is_not_told_as_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), workplace(tmp_path, keep=True) as folder:
        (folder / "missing").read_text()


def test_what_a_killed_run_left_is_removed_and_what_runs_stays(tmp_path: Path) -> None:
    left, fresh = tmp_path / "run-left", tmp_path / "run-fresh"
    for folder in (left, fresh):
        folder.mkdir()
        (folder / "file").write_text("x")
    os.utime(left, (1, 1))
    with workplace(tmp_path) as other:
        os.utime(other, (1, 1))
        with workplace(tmp_path) as folder:
            assert sorted(path.name for path in tmp_path.glob("run-*") if path.is_dir()) == sorted(
                [folder.name, other.name, "run-fresh"]
            )


def test_a_root_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match="No folder"), workplace(tmp_path / "file" / "root"):
        pass
