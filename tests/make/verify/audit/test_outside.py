from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.make.verify.audit.file_list import check_files
from bundle.model.manifest import Manifest, PythonRecord, SetRecord
from tests.make.audited import PYTHON, Made, good
from tests.make.listed import subject_of, with_list

LOCK = """lock-version = "1.0"
created-by = "bundle"
[[packages]]
name = "tool"
version = "1.0"
[[packages.wheels]]
name = "tool-1.0-py3-none-any.whl"
path = "tool-1.0-py3-none-any.whl"
[packages.wheels.hashes]
sha256 = "{sha256}"
"""

WHEEL = "packages/tool-1.0-py3-none-any.whl"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    bundle = good(tmp_path, "linux-x64")
    bundle.write(WHEEL, b"a wheel")
    bundle.write("packages/pylock.toml", LOCK.format(sha256=hashlib.sha256(b"a wheel").hexdigest()))
    return bundle


def found(made: Made, layout: str = "wheelhouse") -> list[tuple[str, str]]:
    """Check a bundle whose list was forged with its files."""
    manifest = Manifest(version=PYTHON, platform=made.platform.key, python=PythonRecord(actual=PYTHON))
    manifest = with_list(made.root, replace(manifest, layout=layout))
    return [(one.rule, one.subject) for one in check_files(subject_of(made.root, manifest)).findings]


def test_wheels_that_their_lock_names_pass(made: Made) -> None:
    assert found(made) == []


def test_another_wheel_than_the_lock_says_is_told(made: Made) -> None:
    made.write(WHEEL, b"another")
    assert found(made) == [("wheel-differs", WHEEL)]


def test_a_missing_and_a_surplus_wheel_are_told(made: Made) -> None:
    (made.root / WHEEL).unlink()
    other = made.write("packages/other-1.0-py3-none-any.whl", b"")
    assert found(made) == [("wheel-differs", other), ("wheel-differs", WHEEL)]


@pytest.mark.parametrize("text", ["", "[", "x = 1", 'lock-version = "1.0"', "lock-version = 1", "[" * 100_000])
def test_a_lock_that_cannot_be_read_is_told(made: Made, text: str) -> None:
    made.write("packages/pylock.toml", text)
    assert found(made) == [("wheel-differs", "packages/pylock.toml")]


def test_what_the_list_tells_is_not_told_twice(made: Made) -> None:
    manifest = Manifest(version=PYTHON, platform="linux-x64", python=PythonRecord(actual=PYTHON), layout="both")
    manifest = with_list(made.root, manifest)
    made.write(WHEEL, b"another")
    assert [one.rule for one in check_files(subject_of(made.root, manifest)).findings] == ["file-changed"]


def test_a_folder_of_that_name_in_other_layouts_is_no_wheelhouse(made: Made) -> None:
    made.write("packages/pylock.toml", "none")
    assert found(made, "installed") == []


def test_wheels_are_compared_with_the_locks_of_all_sets(made: Made) -> None:
    def told() -> list[tuple[str, str]]:
        manifest = Manifest(
            version=PYTHON,
            platform=made.platform.key,
            python=PythonRecord(actual=PYTHON),
            layout="wheelhouse",
            sets={"gpu": SetRecord()},
        )
        manifest = with_list(made.root, manifest)
        return [(one.rule, one.subject) for one in check_files(subject_of(made.root, manifest)).findings]

    assert told() == [("wheel-differs", "packages/pylock.gpu.toml")]
    made.write("packages/pylock.gpu.toml", LOCK.format(sha256=hashlib.sha256(b"a wheel").hexdigest()))
    assert told() == []
    made.write("packages/pylock.gpu.toml", LOCK.format(sha256="0" * 64))
    assert told() == [("wheel-differs", WHEEL)]
    assert found(made) == [("wheel-differs", "packages/pylock.gpu.toml")]
