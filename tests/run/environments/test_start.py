from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.run.environments.start import Record, program_of, read_record, stamp, variables_of


def test_a_word_is_a_script_only_by_its_own_name(tmp_path: Path) -> None:
    scripts = tmp_path / "env" / "bin"
    scripts.mkdir(parents=True)
    for name in ("tool", "plain"):
        (scripts / name).touch()
    (scripts / "tool").chmod(0o755)
    (tmp_path / "secret").touch(0o755)
    folder = str(tmp_path / "env")
    assert program_of(folder, ["tool", "a"], "/base") == [f"{scripts}/tool", "a"]
    for word in ("plain", "../secret", "-m", "absent", "../bin/tool"):
        assert program_of(folder, [word, "a"], "/base") == [f"{scripts}/python", word, "a"]


def test_a_file_beside_the_application_comes_first(tmp_path: Path) -> None:
    (tmp_path / "script.py").touch()
    assert program_of("/env", ["script.py"], str(tmp_path)) == ["/env/bin/python", f"{tmp_path}/script.py"]
    assert program_of("/env", ["/other.py"], str(tmp_path)) == ["/env/bin/python", "/other.py"]


def test_variables_are_applied_in_their_order() -> None:
    found = variables_of(
        "/env",
        {"PATH": "/usr/bin", "A": "person", "PYTHONHOME": "/x", "VIRTUAL_ENV": "/y"},
        prepended=["/one", "/two"],
        below={"A": "below", "B": "below"},
        above={"B": "above"},
    )
    path = os.pathsep.join(["/env/bin", "/one", "/two", "/usr/bin"])
    assert found == {"PATH": path, "A": "person", "B": "above", "VIRTUAL_ENV": "/env"}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    lists = [["subject", "b", "c"], [], ["", "ü\udcff"], ["a\n", "b"], ["x"], [], ["k", "v"], [], ["uv", "place", "{}"]]
    path = tmp_path / "record"
    path.write_bytes(Record(b"content\0with\0nulls", lists).dump())
    found = read_record(str(path))
    assert found is not None
    assert [list(getattr(found, name)) for name in Record.NAMES] == lists
    assert found.content == b"content\0with\0nulls"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"2",
        b"1\0" + b"0\0" * 9,
        b"2\0x\0",
        b"2\0-1\0a\0",
        b"2\0" + b"9" * 5000,
        b"2\0003\0a\0",
        b"\0" * 100,
        b"2\0" * 10,
    ],
)
def test_a_damaged_record_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "record").write_bytes(content)
    found = read_record(str(tmp_path / "record"))
    assert found is None or found.subject != ["app", "command", "name"]
    assert read_record(str(tmp_path / "absent")) is None
    assert read_record(str(tmp_path)) is None


def test_a_stamp_changes_with_the_content_whatever_the_times_say(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    before = stamp(str(path))
    times = path.stat()
    path.write_text("b")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert before != ""
    # Where the clock has not moved on, a start does not rely on stamps; see `remember`.
    assert stamp(str(path)) != before or path.stat().st_ctime_ns == times.st_ctime_ns
    path.unlink()
    assert stamp(str(path)) == ""
