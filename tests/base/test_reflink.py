from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.base.files import sha256_of
from bundle.base.reflink import ChangedBytesError, Placement, place_file, place_tree

MTIME = 315532800


def entries(root: Path, out: Path, count: int) -> list[Placement]:
    made = []
    for number in range(count):
        source = root / f"source-{number}"
        source.write_bytes(bytes([number % 256]) * number)
        mode = 0o755 if number % 2 else 0o644
        target = out / f"folder-{number % 7}" / f"deep-{number % 3}" / f"file-{number}"
        made.append(Placement(str(source), str(target), mode))
    return made


@pytest.mark.parametrize("threads", [1, 3])
def test_a_placed_tree_has_the_content_the_modes_and_the_time_asked_for(tmp_path: Path, threads: int) -> None:
    (tmp_path / "store").mkdir()
    wanted = entries(tmp_path / "store", tmp_path / "out", 600)
    before = os.umask(0o077)
    try:
        place_tree(wanted, mtime=MTIME, threads=threads)
    finally:
        os.umask(before)
    for one in wanted:
        target = Path(one.target)
        assert target.read_bytes() == Path(one.source).read_bytes()
        if os.name != "nt":
            assert stat.S_IMODE(target.stat().st_mode) == one.mode
        assert target.stat().st_mtime == MTIME
    folders = [path for path in (tmp_path / "out").rglob("*") if path.is_dir()]
    assert len(folders) == 7 + 21
    for folder in (tmp_path / "out", *folders):
        assert folder.stat().st_mtime == MTIME
        if os.name != "nt":
            assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_no_files_are_no_problem(tmp_path: Path) -> None:
    place_tree([], mtime=MTIME)
    assert list(tmp_path.iterdir()) == []


def test_editing_a_placed_file_leaves_the_stored_one_as_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "stored", tmp_path / "placed"
    source.write_text("stored")
    place_file(source, target)
    with target.open("r+") as file:
        file.write("edited")
    assert source.read_text() == "stored"
    assert source.stat().st_nlink == 1


def test_a_placed_file_keeps_mode_and_time(tmp_path: Path) -> None:
    source = tmp_path / "stored"
    source.write_text("#!")
    source.chmod(0o755)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    place_file(source, tmp_path / "same")
    assert (tmp_path / "same").stat().st_mtime == 1_000_000_000
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "same").stat().st_mode) == 0o755


def test_nothing_is_placed_over_a_file_that_exists(tmp_path: Path) -> None:
    (tmp_path / "stored").write_text("new")
    (tmp_path / "there").write_text("old")
    with pytest.raises(FileExistsError):
        place_file(tmp_path / "stored", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "old"


def test_a_failure_in_any_thread_is_raised(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    wanted = entries(tmp_path / "store", tmp_path / "out", 600)
    Path(wanted[300].source).unlink()
    with pytest.raises(FileNotFoundError):
        place_tree(wanted, mtime=MTIME)


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="needs copy_file_range")
def test_what_the_file_systems_cannot_do_is_done_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "ioctl", failing(errno.EOPNOTSUPP))
    monkeypatch.setattr(os, "copy_file_range", failing(errno.EXDEV))
    (tmp_path / "store").mkdir()
    wanted = entries(tmp_path / "store", tmp_path / "out", 20)
    place_tree(wanted, mtime=MTIME, threads=1)
    assert all(Path(one.target).read_bytes() == Path(one.source).read_bytes() for one in wanted)
    assert all(Path(one.target).stat().st_mtime == MTIME for one in wanted)


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="needs copy_file_range")
def test_a_disk_that_is_full_is_an_error_and_no_reason_to_try_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "ioctl", failing(errno.EOPNOTSUPP))
    monkeypatch.setattr(os, "copy_file_range", failing(errno.ENOSPC))
    (tmp_path / "stored").write_text("content")
    with pytest.raises(OSError, match="space"):
        place_file(tmp_path / "stored", tmp_path / "placed")


@pytest.mark.parametrize("threads", [1, 2])
def test_other_bytes_than_asked_for_are_found_while_they_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr("bundle.base.reflink._clone", lambda *_: False)
    (tmp_path / "store").mkdir()
    wanted = [one._replace(sha256=sha256_of(Path(one.source))) for one in entries(tmp_path / "store", tmp_path, 600)]
    changed = Path(wanted[300].source)
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    with pytest.raises(ChangedBytesError) as caught:
        place_tree(wanted, mtime=MTIME, threads=threads)
    assert caught.value.source == str(changed)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of the last change of a file's status")
def test_bytes_are_compared_unless_they_were_read_and_have_not_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundle.base.reflink._clone", lambda *_: False)
    source = tmp_path / "stored"
    source.write_text("stored")
    status = source.stat()
    asked = Placement(str(source), str(tmp_path / "later"), 0o644, "0" * 64, status.st_ctime_ns + 10**9)
    place_tree([asked], mtime=MTIME)
    assert (tmp_path / "later").read_text() == "stored"
    for number, moment in enumerate((0, status.st_ctime_ns)):
        with pytest.raises(ChangedBytesError):
            place_tree([asked._replace(target=str(tmp_path / f"{number}"), read=moment)], mtime=MTIME)
