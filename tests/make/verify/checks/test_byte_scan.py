from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.make.verify.checks.byte_scan import Pattern, names_any, patterns_for, scan, search
from bundle.model.platforms import PLATFORMS

PATTERN = Pattern(path="/srv/builder", data=b"/srv/builder", severity="error")

LINUX = PLATFORMS["linux-x64"]
HOME = Path("/srv/builder/project")


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_file_is_read_once_for_its_hash_its_head_and_what_it_holds(tmp_path: Path, jobs: int) -> None:
    contents = {
        "empty": b"",
        "small": b"ab",
        "found": b"\x7fELF /srv/builder/lib",
        "large": bytes(9 * 2**20) + b"/srv/builder",
        **{f"many{number}": bytes(number) for number in range(50)},
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    told: list[int] = []
    seen = scan(tmp_path, {name: len(data) for name, data in contents.items()}, [PATTERN], jobs=jobs, done=told.append)
    assert {name: one.sha256 for name, one in seen.items()} == {
        name: hashlib.sha256(data).digest() for name, data in contents.items()
    }
    assert seen["found"].head.startswith(b"\x7fELF")
    assert {name: one.hits for name, one in seen.items() if one.hits} == {
        "found": ((PATTERN, 5),),
        "large": ((PATTERN, 9 * 2**20),),
    }
    assert sum(told) == len(contents)


def test_a_file_that_grew_since_it_was_listed_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 5000)
    assert scan(tmp_path, {"log": 10}, [], jobs=1)["log"].sha256 == hashlib.sha256(b"x" * 5000).digest()


def test_a_file_that_cannot_be_read_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path, {"gone": 3}, [], jobs=2)


def test_an_inner_folder_is_found_through_the_outer_one() -> None:
    patterns, _ = patterns_for([HOME / "cache", HOME], [], LINUX)
    assert [pattern.path for pattern in patterns] == [str(HOME)]


def test_a_folder_reached_through_a_link_is_searched_for_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    patterns, _ = patterns_for([tmp_path / "link"], [], LINUX)
    assert {pattern.path for pattern in patterns} == {str(tmp_path / "link"), os.path.realpath(tmp_path / "real")}


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_what_is_found_is_there(before: bytes, after: bytes) -> None:
    patterns, _ = patterns_for([HOME], [], LINUX)
    data = before + b"/srv/builder/project" + after
    hits = list(search(data, patterns))
    assert bool(hits) == (not (after[:1].isalnum() or after[:1] in (b"_", b"-")))
    assert all(data[offset:].startswith(pattern.data) for pattern, offset in hits)


def test_of_a_home_with_a_common_name_the_folders_inside_are_searched_for() -> None:
    """As of root: the name itself is in many files that were made elsewhere."""
    home = Path("/etc")
    folder = next(path for path in sorted(home.iterdir()) if path.is_dir() and not path.is_symlink())
    patterns, unused = patterns_for([], [home], LINUX)
    assert unused == ()
    for text, found in (
        (f"in {folder}/registry", True),
        (f"file://{folder}", True),
        (f"/etc /etc/passwd {folder}", True),
        (f"{folder}x", False),
        ("/etc/passwd /etc/ /etc/nowhere-at-all", False),
    ):
        assert bool(list(search(text.encode(), patterns))) == found, text
    assert patterns_for([home], [], LINUX) == ((), (home,))
    assert patterns_for([], [Path("/usr/lib")], LINUX) == ((), (Path("/usr/lib"),))


def test_whether_some_file_names_a_folder_is_told_without_hashes(tmp_path: Path) -> None:
    patterns, _ = patterns_for([HOME], [], LINUX)
    files = {f"{number}": b"x" * number for number in range(30)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    sizes = {name: len(content) for name, content in files.items()}
    assert not names_any(tmp_path, sizes, patterns, jobs=2)
    (tmp_path / "17").write_bytes(str(HOME).encode())
    assert names_any(tmp_path, sizes, patterns, jobs=2)
