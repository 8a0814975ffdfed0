from pathlib import Path
from typing import Any

import pytest

from bundle.make.exceptions import locks_of, unused_acceptances, unused_exceptions, unused_shared
from bundle.model.config.project import Loaded, Project
from tests.make.locks import lock_of
from tests.model.configs import write_project


def accepting(*packages: str) -> dict[str, Any]:
    entry = {"rule": "import-fails", "error": "e", "reason": "r"}
    return {"verify": {"accept": [{**entry, "package": package} for package in packages]}}


def loaded(root: Path, config: dict[str, Any], shared: dict[str, Any] | None = None) -> tuple[Project, Loaded]:
    project = Project(write_project(root, shared or {}, **{"3.12.10": config}))
    return project, project.load("3.12.10", {})


def test_an_acceptance_for_a_misspelt_package_is_told_with_the_likely_name(tmp_path: Path) -> None:
    project, version = loaded(tmp_path, accepting("nmba", "numba", "num*", "python"))
    lock_of(tmp_path, "3.12.10", "linux-x64", "numba", "scipy")
    locks = locks_of(project, "3.12.10")
    (warning,) = unused_acceptances(project, version.config, locks[0])
    assert warning.startswith("versions/3.12.10/config.json:")
    assert warning.endswith(': verify.accept: nmba: no lock of this version has it. Did you mean "numba"?')
    assert list(unused_exceptions(version, locks)) == [warning]


def test_an_acceptance_for_versions_that_no_lock_has_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    project, version = loaded(tmp_path, accepting("scipy<1", "scipy>=1"))
    lock_of(tmp_path, "3.12.10", "linux-x64", "scipy")
    (lock,) = locks_of(project, "3.12.10")
    (warning,) = unused_acceptances(project, version.config, lock)
    assert warning.endswith("verify.accept: scipy<1: the locks of this version have scipy 1.0.")


def test_a_build_says_nothing_of_a_package_that_another_platform_has(tmp_path: Path) -> None:
    project, version = loaded(tmp_path, accepting("pywin32", "left-out"))
    lock_of(tmp_path, "3.12.10", "linux-x64", "scipy", skipped=["left-out"])
    (lock,) = locks_of(project, "3.12.10")
    assert len(list(unused_acceptances(project, version.config, lock))) == 1
    lock_of(tmp_path, "3.12.10", "windows-x64", "pywin32")
    assert list(unused_acceptances(project, version.config, lock)) == []


def test_a_build_says_nothing_where_another_lock_cannot_be_read(tmp_path: Path) -> None:
    project, version = loaded(tmp_path, accepting("pywin32"))
    lock_of(tmp_path, "3.12.10", "linux-x64", "scipy")
    (lock,) = locks_of(project, "3.12.10")
    project.lock_path("3.12.10", "windows-x64").write_text("broken = ")
    assert list(unused_acceptances(project, version.config, lock)) == []


@pytest.mark.parametrize("package", ["nmba", "numba"])
def test_shared_acceptances_are_judged_by_all_versions_together(tmp_path: Path, package: str) -> None:
    project, version = loaded(tmp_path, {}, accepting(package, "python"))
    lock_of(tmp_path, "3.12.10", "linux-x64", "numba")
    (lock,) = locks_of(project, "3.12.10")
    assert list(unused_acceptances(project, version.config, lock)) == []
    assert list(unused_shared(project)) == ([] if package == "numba" else ["nmba"])
