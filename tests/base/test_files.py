from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.errors import ConfigError
from bundle.base.files import (
    canonical_json,
    copy_hashed,
    locked,
    pretty_json,
    read_regular,
    sha256_of,
    source_date_epoch,
)
from bundle.base.report import Reporter
from tests.reporters import Told


@given(st.binary(max_size=3_000_000))
def test_a_copy_is_hashed_on_the_way(content: bytes) -> None:
    target = io.BytesIO()
    assert copy_hashed(io.BytesIO(content), target) == (hashlib.sha256(content).hexdigest(), len(content))
    assert target.getvalue() == content


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()


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


def test_a_small_file_is_read_in_little_memory_whatever_it_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"small")
    tracemalloc.start()
    try:
        assert read_regular(path, most=2**28) == b"small"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(OSError, match="Larger"):
        read_regular(path, most=4)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(ConfigError, match="has no locks"),
        locked(tmp_path / "a.lock", reporter=Reporter(), what="the store"),
    ):
        raise AssertionError("not locked")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc")
def test_a_lock_that_can_never_be_made_is_not_waited_for() -> None:
    told = Told()
    with pytest.raises(OSError, match=r"no\.lock"), locked(Path("/proc/no.lock"), reporter=told, what="the store"):
        pass
    assert told.messages == []
