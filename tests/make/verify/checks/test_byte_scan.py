from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bundle.make.verify.checks.byte_scan import scan
from bundle.make.verify.checks.needles import Needle

NEEDLE = Needle(path="/srv/builder", data=b"/srv/builder", severity="error")


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
    seen = scan(tmp_path, {name: len(data) for name, data in contents.items()}, [NEEDLE], jobs=jobs, done=told.append)
    assert {name: one.sha256 for name, one in seen.items()} == {
        name: hashlib.sha256(data).digest() for name, data in contents.items()
    }
    assert seen["found"].head.startswith(b"\x7fELF")
    assert {name: one.hits for name, one in seen.items() if one.hits} == {
        "found": ((NEEDLE, 5),),
        "large": ((NEEDLE, 9 * 2**20),),
    }
    assert sum(told) == len(contents)


def test_a_file_that_grew_since_it_was_listed_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 5000)
    assert scan(tmp_path, {"log": 10}, [], jobs=1)["log"].sha256 == hashlib.sha256(b"x" * 5000).digest()


def test_a_file_that_cannot_be_read_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path, {"gone": 3}, [], jobs=2)
