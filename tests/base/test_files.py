from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base import files
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import (
    canonical_json,
    copy_hashed,
    host_mark,
    locked,
    pretty_json,
    remove_tree,
    sha256_of,
    source_date_epoch,
    staged_file,
    staged_folder,
    sweep_staging,
    write_atomically,
)
from bundle.base.report import Reporter
from tests.reporters import Told

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


@given(st.binary(max_size=3_000_000))
def test_a_copy_is_hashed_on_the_way(content: bytes) -> None:
    target = io.BytesIO()
    assert copy_hashed(io.BytesIO(content), target) == (hashlib.sha256(content).hexdigest(), len(content))
    assert target.getvalue() == content


def test_a_copy_stops_at_its_limit() -> None:
    assert copy_hashed(io.BytesIO(b"12345"), io.BytesIO(), limit=5)[1] == 5
    with pytest.raises(IntegrityError, match="4 bytes"):
        copy_hashed(io.BytesIO(b"12345"), io.BytesIO(), limit=4)


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()


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


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "aside"])
@pytest.mark.parametrize("before", ["nothing", "folder", "file", "link"])
def test_a_staged_folder_replaces_whatever_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool, before: str
) -> None:
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
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
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
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
    assert names(tmp_path) == ["kept"]


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


def test_a_lock_keeps_other_threads_out_and_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    inside = 0
    most = 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(10):
            with locked(path, reporter=Reporter(), what="the store"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert path.exists()


def test_json_for_hashing_has_one_form_only() -> None:
    assert canonical_json({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_json_for_files_is_sorted_indented_and_ends_with_a_newline() -> None:
    assert pretty_json({"b": 1, "a": "ü"}) == '{\n  "a": "ü",\n  "b": 1\n}\n'


def test_the_time_of_results_is_1980_unless_told_otherwise() -> None:
    assert source_date_epoch({}) == 315532800
    assert source_date_epoch({"SOURCE_DATE_EPOCH": "1700000000"}) == 1700000000
    for wrong in ("yesterday", "-1", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"):
        with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
            source_date_epoch({"SOURCE_DATE_EPOCH": wrong})


KILLED = """
import os, signal, sys
from pathlib import Path
from bundle.base import files
target = Path(sys.argv[1])
if sys.argv[2] == "between":
    files._exchange = lambda *_: False
    rename = Path.rename
    def last(path, to):
        if path.suffix == ".staging" and not target.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, to)
    Path.rename = last
with files.staged_folder(target) as staging:
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


STAGER = """
import sys
from pathlib import Path
from bundle.base.files import staged_folder
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


HOLDER = """
import sys, time
from pathlib import Path
from bundle.base.files import locked
from bundle.base.report import Reporter
from tests.reporters import Told
with locked(Path(sys.argv[1]), reporter=Reporter(), what="the store"):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.mark.real
def test_a_process_that_waits_for_a_lock_says_so_and_gets_it_when_the_other_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    told = Told()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        timer = threading.Timer(1.5, holder.kill)
        timer.start()
        with locked(path, reporter=told, what="the store"):
            pass
        timer.join()
    assert len(told.messages) == 1
    assert "the store" in told.messages[0]
