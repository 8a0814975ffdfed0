from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from bundle.artifacts.vendored.lock import (
    LockedWheel,
    LockFile,
    VendoredLock,
    lock_name,
    locks_in,
    read_lock,
    write_lock,
)
from bundle.base.errors import ConfigError, IntegrityError
from bundle.model.platforms import PLATFORMS, Floors

LINUX = PLATFORMS["linux-x64"]


def wheel(filename: str, sha256: str = "a" * 64) -> LockedWheel:
    name, version = filename.split("-")[:2]
    return LockedWheel(name=name, version=version, filename=filename, sha256=sha256, size=3)


PURE = wheel("idna-3.4-py3-none-any.whl")
OLD = wheel("numpy-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
NEW = wheel("numpy-2.0-cp312-cp312-manylinux_2_17_x86_64.whl")
SAME = wheel("numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.whl")
LOCK = VendoredLock(
    platform="linux-x64",
    pythons={"3.11": (PURE, OLD), "3.12": (PURE, NEW), "3.13": (PURE, SAME)},
    requirements=("idna", "numpy"),
)


def written(lock: VendoredLock, folder: Path) -> LockFile:
    write_lock(lock, folder)
    file = read_lock(folder, lock.platform)
    assert file is not None
    return file


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = written(LOCK, tmp_path)
    assert file.own
    assert file.as_value(Floors()) == LOCK
    assert set(file.wheels()) == set(LOCK.wheels)
    assert locks_in(tmp_path) == ("linux-x64",)
    content = (tmp_path / lock_name("linux-x64")).read_bytes()
    assert written(LOCK, tmp_path).path.read_bytes() == content


def test_each_python_gets_its_wheels(tmp_path: Path) -> None:
    file = written(LOCK, tmp_path)
    assert file.select(LINUX, "3.12.7", Floors()) == (PURE, NEW)
    assert file.select(LINUX, "3.11.0", Floors()) == (PURE, OLD)
    with pytest.raises(ConfigError, match=r"is not for Python 3\.10\.1 on linux-x64") as caught:
        file.select(LINUX, "3.10.1", Floors())
    assert caught.value.cause == "It was made for Python 3.11 and 3.12 and 3.13 on linux-x64."
    with pytest.raises(ConfigError):
        file.select(PLATFORMS["windows-x64"], "3.12.7", Floors())


def test_a_system_that_is_too_old_is_told(tmp_path: Path) -> None:
    file = written(LOCK, tmp_path)
    with pytest.raises(ConfigError, match="is not for Python"):
        file.select(LINUX, "3.12.7", Floors(glibc="2.5"))


def test_it_is_a_lock_as_the_standard_has_it_with_paths_relative_to_itself(tmp_path: Path) -> None:
    document = tomllib.loads(written(LOCK, tmp_path).path.read_text())
    paths = [one.path for package in Pylock.from_dict(document).packages for one in package.wheels or ()]
    assert sorted(map(str, paths)) == sorted(one.filename for one in LOCK.wheels)


def test_there_may_be_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path, "linux-x64") is None
    assert locks_in(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('path = "idna-3.4-py3-none-any.whl"', 'path = "../idna-3.4-py3-none-any.whl"'),
        ('path = "idna-3.4-py3-none-any.whl"', 'path = "/idna-3.4-py3-none-any.whl"'),
        ('path = "idna-3.4-py3-none-any.whl"', 'path = "other-3.4-py3-none-any.whl"'),
        ('path = "idna-3.4-py3-none-any.whl"', 'path = "idna.txt"'),
        (f'sha256 = "{"a" * 64}"', 'sha256 = "a"'),
        (f'sha256 = "{"a" * 64}"', f'md5 = "{"a" * 32}"'),
    ],
)
def test_a_forged_wheel_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = written(LOCK, tmp_path).path
    path.write_text(path.read_text().replace(old, new, 1))
    file = read_lock(tmp_path, "linux-x64")
    assert file is not None
    with pytest.raises(IntegrityError, match="names the wheel"):
        file.wheels()


def test_a_lock_of_another_tool_that_takes_files_from_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / lock_name("linux-x64")).write_text(
        'lock-version = "1.0"\ncreated-by = "uv"\n[[packages]]\nname = "idna"\nversion = "3"\n'
        f'[packages.archive]\nurl = "https://files.example/idna.zip"\nhashes = {{sha256 = "{"a" * 64}"}}\n'
    )
    file = read_lock(tmp_path, "linux-x64")
    assert file is not None
    assert not file.own
    assert file.pythons == ()
    with pytest.raises(ConfigError, match="takes idna from elsewhere"):
        file.select(LINUX, "3.12.7", Floors())


@pytest.mark.parametrize("text", ["", "=", "lock-version = 1", "<<<<<<< HEAD", "a=" + "[" * 3000])
def test_what_is_no_lock_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / lock_name("linux-x64")).write_text(text)
    with pytest.raises(ConfigError, match="is no lock as PEP 751"):
        read_lock(tmp_path, "linux-x64")
