from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import stat
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bundle.base.staging import (
    final_place,
    host_mark,
    naming,
    remove_whole,
    staged_file,
    staged_folder,
    sweep_staging,
    write_atomically,
)

DEAD = 2**22 + 1
"""A number above the largest that Linux gives to a process."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_after_writing(path: Path, error: BaseException) -> NoReturn:
    path.write_text("half")
    raise error


def leftover(folder: Path, kind: str, *, pid: int = DEAD, host: str | None = None, life: str = "0" * 8) -> Path:
    path = folder / f".result.{pid}-{host or host_mark()}{life}01234567.{kind}"
    path.mkdir()
    (path / "content").write_text("old")
    return path


def test_a_file_is_written_whole_with_the_folders_it_needs(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    write_atomically(target, "zwölf\n")
    assert target.read_bytes() == "zwölf\n".encode()
    write_atomically(target, b"\0")
    assert target.read_bytes() == b"\0"
    assert names(target.parent) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_a_written_file_may_be_read_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_staged_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), staged_file(target) as staging:
        fail_after_writing(staging, KeyboardInterrupt())
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_staging_stands_beside_the_target_under_a_name_that_says_who_made_it(tmp_path: Path) -> None:
    with staged_file(tmp_path / "file") as staging:
        assert staging.parent == tmp_path
        assert re.fullmatch(rf"\.file\.{os.getpid()}-[0-9a-f]+\.staging", staging.name)
        staging.write_text("")


def test_a_name_as_long_as_a_file_system_allows_can_be_staged(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 127)
    with staged_file(target) as staging:
        staging.write_text("new")
    assert target.read_text() == "new"


def system_without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take from the C library the functions that swap two names."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "aside"])
@pytest.mark.parametrize("before", ["nothing", "folder", "file", "link"])
def test_a_staged_folder_replaces_whatever_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool, before: str
) -> None:
    if not exchange:
        system_without_exchange(monkeypatch)
    target = tmp_path / "result"
    if before == "folder":
        (target / "deep").mkdir(parents=True)
        (target / "deep" / "old").write_text("old")
    elif before == "file":
        target.write_text("old")
    elif before == "link":
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to("elsewhere")
    with staged_folder(target) as staging:
        (staging / "new").write_text("new")
    assert names(target) == ["new"]
    assert not target.is_symlink()
    assert [name for name in names(tmp_path) if name != "elsewhere"] == ["result"]


def test_a_staged_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), staged_folder(target) as staging:
        fail_after_writing(staging / "new", ZeroDivisionError())
    assert names(target) == ["old"]
    assert names(tmp_path) == ["result"]


def test_a_folder_that_cannot_take_the_place_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").write_text("old")
    system_without_exchange(monkeypatch)
    rename = Path.rename

    def refusing(path: Path, to: Path) -> Path:
        if path.suffix == ".staging":
            raise PermissionError(13, "refused", str(path))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(PermissionError), staged_folder(target) as staging:
        (staging / "new").write_text("new")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["result"]


def test_many_threads_may_replace_the_same_folder(tmp_path: Path) -> None:
    target = tmp_path / "result"

    def replace(number: int) -> None:
        for _ in range(20):
            with staged_folder(target) as staging:
                (staging / "first").write_text(str(number))
                (staging / "second").write_text(str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(replace, range(4)))
    assert names(tmp_path) == ["result"]
    assert (target / "first").read_text() == (target / "second").read_text()


def test_what_a_dead_process_left_is_swept_away(tmp_path: Path) -> None:
    leftover(tmp_path, "staging")
    (tmp_path / f".file.{DEAD}-{host_mark()}{'0' * 16}.staging").write_text("half")
    (tmp_path / ".other.staging").write_text("of somebody else")
    sweep_staging(tmp_path)
    assert names(tmp_path) == [".other.staging"]


def test_what_a_living_process_stages_is_not_swept_away(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "result") as staging:
        sweep_staging(tmp_path)
        assert staging.is_dir()


def test_what_another_machine_stages_is_not_swept_away(tmp_path: Path) -> None:
    path = leftover(tmp_path, "staging", host="ffffffff")
    sweep_staging(tmp_path)
    assert path.is_dir()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="start times of processes are Linux's")
def test_a_process_that_only_got_the_number_of_a_dead_one_keeps_nothing_alive(tmp_path: Path) -> None:
    leftover(tmp_path, "staging", pid=os.getpid(), life="0" * 8)
    sweep_staging(tmp_path)
    assert names(tmp_path) == []


def test_a_target_set_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    leftover(tmp_path, "replaced")
    sweep_staging(tmp_path)
    assert names(tmp_path) == ["result"]
    assert (tmp_path / "result" / "content").read_text() == "old"


def test_a_target_set_aside_is_removed_when_the_new_one_is_there(tmp_path: Path) -> None:
    leftover(tmp_path, "replaced")
    (tmp_path / "result").mkdir()
    sweep_staging(tmp_path)
    assert names(tmp_path) == ["result"]
    assert names(tmp_path / "result") == []


def test_sweeping_a_folder_that_does_not_exist_is_no_error(tmp_path: Path) -> None:
    sweep_staging(tmp_path / "absent")
    assert names(tmp_path) == []


def attributes(folder: Path) -> int:
    """Return what lsattr(1) tells of a folder."""
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(handle, 0x80086601, struct.pack("l", 0)))
    except OSError:
        pytest.skip("needs a file system with attributes")
    finally:
        os.close(handle)
    return int(flags)


def test_neither_a_large_result_nor_the_folder_around_it_keeps_the_hint(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    before = attributes(tmp_path)
    for _ in range(2):
        with staged_folder(tmp_path / "result", large=True) as staging:
            (staging / "file").write_text("content")
    assert attributes(tmp_path) == before
    assert attributes(tmp_path / "result") == attributes(tmp_path / "plain")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "result"]
    assert (tmp_path / "result" / "file").read_text() == "content"


def test_no_two_large_results_are_staged_under_one_name(tmp_path: Path) -> None:
    attributes(tmp_path)
    names = set()
    for _ in range(3):
        with staged_folder(tmp_path / "result", large=True) as staging:
            names.add(staging.name)
    assert len(names) == 3, "ext4 would begin to search where the last one was removed"


@pytest.mark.skipif(sys.platform != "linux", reason="attributes are Linux's")
def test_a_large_result_is_staged_where_the_file_system_knows_no_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refusing(*_: object) -> NoReturn:
        raise OSError(errno.ENOTTY, "refused")

    monkeypatch.setattr(fcntl, "ioctl", refusing)
    with staged_folder(tmp_path / "result", large=True) as staging:
        (staging / "file").write_text("content")
    assert (tmp_path / "result" / "file").read_text() == "content"
    assert names(tmp_path) == ["result"]


KILLED = """
import ctypes, os, signal, sys
from pathlib import Path
from bundle.base.staging import staged_folder
target = Path(sys.argv[1])
if sys.argv[2] == "between":
    ctypes.CDLL = lambda _: object()
    rename = Path.rename
    def last(path, to):
        if path.suffix == ".staging" and not target.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, to)
    Path.rename = last
with staged_folder(target) as staging:
    (staging / "new").write_text("new")
    if sys.argv[2] == "within":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.real
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("when", ["within", "between"])
def test_a_process_killed_while_it_replaces_a_folder_loses_nothing(tmp_path: Path, when: str) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target), when], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    sweep_staging(tmp_path)
    assert names(tmp_path) == ["result"]
    assert names(target) == ["old"]


def test_an_error_without_a_name_gets_one_and_another_keeps_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="target"), naming(tmp_path / "target"):
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match="other"), naming(tmp_path / "target"):
        raise OSError(28, "No space left on device", "other")


@pytest.mark.parametrize("staged", [staged_file, staged_folder])
def test_a_full_disk_is_told_with_the_place_that_the_result_would_have_had(tmp_path: Path, staged: Any) -> None:
    for file in (None, "inner"):
        with pytest.raises(OSError, match="result") as caught, staged(tmp_path / "result") as staging:
            raise OSError(28, "No space left on device", file and str(staging / file))
        assert final_place(Path(caught.value.filename)) == tmp_path / "result"
    assert names(tmp_path) == []
    assert final_place(tmp_path / "other" / "file") == tmp_path / "other" / "file"


def test_what_is_removed_as_a_whole_needs_no_space_and_is_swept_if_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    remove_whole(tmp_path / "a")
    assert names(tmp_path) == ["b"]
    with monkeypatch.context() as patch:
        patch.setattr("bundle.base.staging.remove_tree", lambda _: None)
        remove_whole(tmp_path / "b")
    assert "b" not in names(tmp_path)
    monkeypatch.setattr("bundle.base.staging._lives", lambda *_: False)
    sweep_staging(tmp_path)
    assert names(tmp_path) == []


STAGER = """
import sys
from pathlib import Path
from bundle.base.staging import staged_folder
with staged_folder(Path(sys.argv[1])):
    print("staged", flush=True)
    sys.stdin.read()
"""


@pytest.mark.real
def test_what_a_child_stages_is_swept_away_once_it_is_dead(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STAGER, str(tmp_path / "result")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        sweep_staging(tmp_path)
        assert len(names(tmp_path)) == 1
        child.kill()
        child.wait()
    sweep_staging(tmp_path)
    assert names(tmp_path) == []
