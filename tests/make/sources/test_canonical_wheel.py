from __future__ import annotations

import csv
import sys
import tracemalloc
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.base.report import Reporter
from bundle.make.sources.canonical_wheel import rewrite_wheel
from bundle.make.sources.environment import SourceBuildTools
from bundle.model.platforms import PLATFORMS
from tests.reporters import Told

INFO = "demo-1.0.dist-info"
FILES = {
    f"{INFO}/METADATA": (b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", 0o600),
    f"{INFO}/RECORD": (b"all wrong", 0o644),
    "zebra.py": (b"pass\n", 0o600),
    "demo/tool": (b"#!/bin/sh\n", 0o700),
    "demo/__pycache__/x.cpython-312.pyc": (b"compiled", 0o644),
    "demo/legacy.pyc": (b"compiled, the only form there is", 0o644),
    "demo-1.0.data/scripts/run": (b"#!/some/place/environment/bin/python3\nprint()\n", 0o755),
}


def wheel_of(folder: Path, files: dict[str, tuple[bytes, int]], *, year: int = 2020, backwards: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files, reverse=backwards):
            member = zipfile.ZipInfo(path, (year, 1, 1, 0, 0, 0))
            member.create_system = 3
            member.external_attr = (0o100000 | files[path][1]) << 16
            archive.writestr(member, files[path][0])
    return wheel


def rewritten(wheel: Path, *, epoch: int = 315532800, reporter: Reporter | None = None) -> Path:
    tools = SourceBuildTools(
        python=Path(sys.executable),
        machine=PLATFORMS["linux-x64"],
        timeout=60,
        log=wheel.parent / "build.log",
        reporter=reporter or Reporter(),
        work=wheel.parent,
        epoch=epoch,
        environ={"PATH": ""},
    )
    private = [Path("/some/place"), Path("/a b/ü")]
    return rewrite_wheel(wheel, wheel.parent / "finished", tools, private=private, scratch=wheel.parent / "scratch")


def test_order_times_and_modes_of_the_built_wheel_do_not_matter(tmp_path: Path) -> None:
    one = rewritten(wheel_of(tmp_path / "one", FILES))
    two = rewritten(wheel_of(tmp_path / "two", FILES, year=2025, backwards=True))
    assert one.read_bytes() == two.read_bytes()
    assert not (tmp_path / "one" / "scratch").exists()


def test_members_are_sorted_with_the_metadata_last_and_have_plain_modes(tmp_path: Path) -> None:
    with zipfile.ZipFile(rewritten(wheel_of(tmp_path, FILES), epoch=1_000_000_000)) as archive:
        modes = {member.filename: member.external_attr >> 16 & 0o7777 for member in archive.infolist()}
        times = {member.date_time for member in archive.infolist()}
    assert list(modes) == [
        "demo-1.0.data/scripts/run",
        "demo/legacy.pyc",
        "demo/tool",
        "zebra.py",
        f"{INFO}/METADATA",
        f"{INFO}/RECORD",
    ]
    assert [modes[path] for path in ("demo/tool", "zebra.py", f"{INFO}/RECORD")] == [0o755, 0o644, 0o644]
    assert times == {(2001, 9, 9, 1, 46, 40)}


def test_the_record_is_true_and_complete(tmp_path: Path) -> None:
    with zipfile.ZipFile(rewritten(wheel_of(tmp_path, FILES))) as archive:
        rows = {
            path: (digest, size) for path, digest, size in csv.reader(archive.read(f"{INFO}/RECORD").decode().split())
        }
        assert set(rows) == set(archive.namelist())
        for path in set(rows) - {f"{INFO}/RECORD"}:
            data = archive.read(path)
            digest = urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")
            assert rows[path] == (f"sha256={digest}", str(len(data)))
    assert rows[f"{INFO}/RECORD"] == ("", "")


def test_a_script_that_names_the_environment_is_given_back_to_the_installer(tmp_path: Path) -> None:
    with zipfile.ZipFile(rewritten(wheel_of(tmp_path, FILES))) as archive:
        assert archive.read("demo-1.0.data/scripts/run") == b"#!python\nprint()\n"
        assert archive.read("demo/tool") == b"#!/bin/sh\n"


@pytest.mark.parametrize("text", ["ROOT = '/some/place/x'", "file:///a%20b/%C3%BC/x", "/a b/ü"])
def test_a_file_that_names_where_it_was_built_is_warned_about(tmp_path: Path, text: str) -> None:
    reporter = Told()
    rewritten(wheel_of(tmp_path, {**FILES, "config.py": (text.encode(), 0o644)}), reporter=reporter)
    assert len(reporter.warnings) == 1
    assert "config.py" in reporter.warnings[0]


def test_a_large_file_is_not_read_into_memory_as_a_whole(tmp_path: Path) -> None:
    large = {"demo-1.0.data/scripts/large": (FILES["demo-1.0.data/scripts/run"][0] + bytes(2**24), 0o755)}
    wheel = wheel_of(tmp_path, {**FILES, **large})
    del large
    tracemalloc.start()
    try:
        made = rewritten(wheel)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    with zipfile.ZipFile(made) as archive, archive.open("demo-1.0.data/scripts/large") as script:
        assert script.read(17) == b"#!python\nprint()\n"
        assert script.seek(0, 2) == 17 + 2**24


def test_a_zip_file_without_metadata_is_no_wheel(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"\.dist-info"):
        rewritten(wheel_of(tmp_path, {"zebra.py": (b"", 0o644)}))
