from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.base.placement import keep_apart, quick_folder


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
    (tmp_path / "file").touch()
    assert [keep_apart(path) for path in (tmp_path / "absent", tmp_path / "file", Path("/proc"))] == [False] * 3


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], Path]:
    numbers = iter(range(100))

    def new() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return new


def clock_of(*seconds: float) -> Callable[[], float]:
    def ticks() -> Iterator[float]:
        for each in seconds:
            yield 0.0
            yield each

    times = ticks()
    return lambda: next(times)


def test_a_folder_where_files_come_slowly_is_given_up_for_another(make: Callable[[], Path], tmp_path: Path) -> None:
    assert quick_folder(make, clock=clock_of(1.0, 1.0, 0.0001)) == tmp_path / "2"
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert list((tmp_path / "2").iterdir()) == []


def test_where_every_place_is_slow_one_is_taken_all_the_same(make: Callable[[], Path], tmp_path: Path) -> None:
    folder = quick_folder(make, clock=clock_of(*[1.0] * 50))
    assert list(tmp_path.iterdir()) == [folder]
