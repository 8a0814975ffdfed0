from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bundle.run.jobs.config import Meaning
from bundle.run.jobs.outcome import State, WrittenFile, read_result, snapshot, state_of, written


@pytest.mark.parametrize(
    ("code", "reason", "state", "word"),
    [
        (0, None, State.FINISHED_OK, ""),
        (1, None, State.FINISHED_ERROR, "exit code 1"),
        (-11, None, State.FINISHED_ERROR, "Signal 11"),
        (3, None, State.FINISHED_OK, "nothing new"),
        (0, "stopped", State.CANCELLED, "stopped"),
        (-9, "timeout", State.FINISHED_ERROR, "time limit"),
        (-9, "memory", State.FINISHED_ERROR, "memory limit"),
        (-9, "processes", State.FINISHED_ERROR, "more processes"),
        (None, "lost", State.ABORTED, "supervisor"),
    ],
)
def test_states(code: int | None, reason: str | None, state: State, word: str) -> None:
    found, text = state_of(code, reason, {3: Meaning(state="finished_ok", text="nothing new")})
    assert found is state
    assert word in text
    assert found.final


def test_new_and_changed_files_are_those_written(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("1")
    (tmp_path / "changed").write_text("1")
    before = snapshot(tmp_path)
    (tmp_path / "changed").write_text("22")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "new").write_text("333")
    (tmp_path / "link").symlink_to("/")
    found = written(before, snapshot(tmp_path))
    assert [file.path for file in found] == ["below/new", "changed", "link"]
    assert found[0] == WrittenFile(path="below/new", size=3)


def test_a_result_is_read(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"rows": 3}')
    assert read_result(tmp_path) == ({"rows": 3}, "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"NaN",
        b"\xff",
        b"[" * 100_000,
        b"9" * 10_000,
        json.dumps("x" * 2**21).encode(),
        b"[" * 60 + b"]" * 60,
    ],
)
def test_a_result_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "result.json").write_bytes(content)
    value, problem = read_result(tmp_path)
    assert value is None
    assert "result.json" in problem


@pytest.mark.skipif(os.name == "nt", reason="pipes with a name are POSIX")
def test_a_result_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.json")
    assert read_result(tmp_path)[0] is None
    (tmp_path / "result.json").unlink()
    (tmp_path / "result.json").symlink_to("/etc/hostname")
    assert "link" in read_result(tmp_path)[1]
