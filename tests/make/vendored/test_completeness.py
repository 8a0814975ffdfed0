from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.vendored.package import read_package
from bundle.base.errors import Problems
from bundle.make.vendored.completeness import Checked, check_wheels
from tests.artifacts.vendored.carried import Packages


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def checked(packages: Packages) -> tuple[tuple[Checked, ...], list[tuple[str, int]]]:
    problems = Problems()
    package = read_package(packages.root / "alpha", problems)
    assert package is not None
    found = check_wheels(package, problems)
    return found, [(error.what, error.exit_code) for error in problems.errors]


def test_wheels_with_all_that_they_need_are_complete(packages: Packages) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", "1.0", ["low", "never; platform_machine == 'x86_64'"])
    packages.wheel("alpha", "low", "1.0")
    packages.lock("alpha", "linux-aarch64", "3.11", "3.12")
    (older, newer), problems = checked(packages)
    assert problems == []
    assert (older.python, newer.python, newer.platform, newer.complete) == ("3.11", "3.12", "linux-aarch64", True)
    packages.lock("alpha", "linux-x64", "3.12")
    found, problems = checked(packages)
    assert problems == [("The wheels of alpha for Python 3.12 on linux-x64 are not complete.", 1)]
    assert [one.complete for one in found] == [False, True, True]


def test_a_changed_a_missing_and_a_stale_one_are_told(packages: Packages) -> None:
    packages.package("alpha", "top", "low")
    packages.wheel("alpha", "top", "1.0")
    low = packages.wheel("alpha", "low", "1.0")
    packages.lock("alpha", "linux-x64", "3.12")
    packages.wheel("alpha", "top", "1.0", metadata="Summary: changed\n")
    low.unlink()
    packages.package("alpha", "top", "low>=1")
    _, problems = checked(packages)
    assert problems == [
        ("alpha asks for other packages than its lock for linux-x64 was made for.", 1),
        (f"alpha lacks the wheel {low.name}.", 1),
        ("alpha: top-1.0-py3-none-any.whl is not the wheel that pylock.linux-x64.toml names.", 4),
        ("The wheels of alpha for Python 3.12 on linux-x64 are not complete.", 1),
    ]


def test_requirements_without_any_lock_are_told(packages: Packages) -> None:
    packages.package("alpha")
    assert checked(packages) == ((), [])
    packages.package("alpha", "top")
    assert checked(packages)[1] == [("alpha has requirements, and no lock of wheels.", 1)]
