from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.artifacts.vendored.package import read_packages
from bundle.base.errors import Problems
from bundle.run.vendored.plan import Plan, make_plan
from bundle.run.vendored.search_path import SearchPath
from bundle.run.vendored.target import RECORD, Installed, Target, record_text, stamp_of
from tests.artifacts.vendored.carried import Packages, locked
from tests.run.vendored.environments import target


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def planned(packages: Packages, into: Target, *, online: bool = False) -> Plan:
    problems = Problems()
    read = read_packages(packages.root, problems)
    problems.raise_if_any("mistakes")
    plan = make_plan(read, into, SearchPath(folders={}), online=online)
    json.dumps(plan.as_json())
    return plan


def problems_of(plan: Plan) -> list[tuple[str, int]]:
    return [(error.what, error.exit_code) for error in plan.problems.errors]


def test_wheels_are_installed_once(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    wheel = packages.wheel("alpha", "top", "1.0", ["low"])
    packages.wheel("alpha", "low", "2.0")
    empty = planned(packages, target(tmp_path / "env"))
    assert [str(one) for one in empty.install] == ["low 2.0", "top 1.0"]
    assert (empty.sources, empty.changes, problems_of(empty)) == ({"alpha": "wheels"}, True, [])
    assert empty.pins == ("low==2.0", "top==1.0")
    full = target(tmp_path / "full", "top-1.0", "low-2.0")
    assert not planned(packages, full).changes
    record = {"top": Installed(sha256=locked(wheel).sha256, stamp=stamp_of(wheel))}
    (full.root / RECORD).write_text(record_text(record))
    assert not planned(packages, target(tmp_path / "full", exists=True)).changes


def test_a_rebuilt_wheel_of_the_same_version_is_installed_again(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    wheel = packages.wheel("alpha", "top")
    full = target(tmp_path / "full", "top-1.0")
    record = {"top": Installed(sha256=locked(wheel).sha256, stamp=(0, 0))}
    (full.root / RECORD).write_text(record_text(record))
    assert not planned(packages, full).changes
    packages.wheel("alpha", "top", compression=0)
    again = planned(packages, target(tmp_path / "full", exists=True))
    assert [str(one) for one in again.install] == ["top 1.0"]


def test_a_python_that_is_too_old_is_named_with_the_package(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", minimum="3.13")
    packages.package("beta", minimum="3.12.7")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert what.startswith("alpha needs Python 3.13 or newer")
    assert code == 2


def test_partial_wheels_are_named_with_the_package(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", "1.0", ["low>1"])
    plan = planned(packages, target(tmp_path / "env"), online=True)
    assert problems_of(plan) == [("alpha carries wheels, and none of low.", 1)]
    assert plan.problems.errors[0].details == ("alpha wants low>1, through top 1.0",)


def test_a_wheel_that_the_lock_names_and_that_is_gone_is_named(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    wheel = packages.wheel("alpha", "top")
    packages.lock("alpha", "linux-x64", "3.12")
    wheel.unlink()
    plan = planned(packages, target(tmp_path / "env"))
    assert problems_of(plan) == [("alpha lacks 1 of the wheels that pylock.linux-x64.toml names.", 1)]


@pytest.mark.parametrize("tag", ["cp311-cp311-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"])
def test_wheels_for_others_are_named(packages: Packages, tmp_path: Path, tag: str) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", tag=tag)
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert what == "alpha carries top for other Pythons or platforms than 3.12.7 on linux-x64."
    assert code == 1


def test_a_system_that_is_too_old_for_a_wheel_is_one(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", tag="cp312-cp312-manylinux_2_38_x86_64")
    ((what, _),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert "other Pythons or platforms" in what


def test_locks_for_other_platforms_or_pythons_are_named(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top")
    packages.lock("alpha", "windows-x64", "3.12")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert (what, code) == ("alpha carries wheels for windows-x64, and none for linux-x64.", 1)
    packages.lock("alpha", "linux-x64", "3.11")
    plan = planned(packages, target(tmp_path / "env"))
    ((what, code),) = problems_of(plan)
    assert what.endswith("is not for Python 3.12.7 on linux-x64.")
    assert code == 2
    (error,) = plan.problems.errors
    assert error.cause == "It was made for Python 3.11 on linux-x64."
    assert error.remedy is not None
    assert "--python 3.11 --python 3.12" in error.remedy


def test_packages_that_contradict_each_other_are_both_named(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "low<2")
    packages.wheel("alpha", "low", "1.0")
    packages.package("beta", "low>=2")
    packages.wheel("beta", "low", "2.0")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert (what, code) == ("alpha and beta want different versions of low.", 2)


def test_a_package_without_wheels_may_contradict_one_with(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "low<2")
    packages.wheel("alpha", "low", "1.0")
    packages.package("beta", "low>=2")
    ((what, _),) = problems_of(planned(packages, target(tmp_path / "env"), online=True))
    assert what == "alpha and beta want different versions of low."


def test_wheels_that_no_longer_fit_the_requirements_are_named(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "low>=3")
    packages.wheel("alpha", "low", "1.0")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert (what, code) == ("alpha carries no version of low that it can use.", 1)


def test_a_python_that_a_wheel_forbids_is_named(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "low")
    packages.wheel("alpha", "low", metadata="Requires-Python: >=3.13\n")
    ((what, _),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert what.startswith("The wheels of low do not run on Python 3.12.7")


def test_an_eaten_requirement_is_a_problem(packages: Packages, tmp_path: Path) -> None:
    (packages.package("alpha", "requests") / "=2.32.0").write_text("")
    ((what, code), *_) = problems_of(planned(packages, target(tmp_path / "env"), online=True))
    assert "a file named '=2.32.0' lies beside it" in what
    assert code == 2


def test_without_wheels_the_registry_is_asked_if_it_may_be(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top>=1", "low")
    packages.package("beta", "low")
    packages.wheel("beta", "low", "1.0")
    allowed = planned(packages, target(tmp_path / "env"), online=True)
    assert (allowed.online, allowed.sources) == (("low", "top>=1"), {"alpha": "registry", "beta": "wheels"})
    refused = planned(packages, target(tmp_path / "env"))
    assert (refused.online, refused.sources["alpha"]) == ((), "missing")
    (warning,) = refused.warnings
    assert "alpha carries no wheels, and ALLOW_ONLINE_PIP is not true: top>=1 will be missing" in warning
    assert problems_of(refused) == []


def test_what_is_installed_or_carried_by_others_satisfies_a_package(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "low", "there>=1")
    packages.package("beta", "low")
    packages.package("gamma")
    packages.wheel("beta", "low", "1.0")
    plan = planned(packages, target(tmp_path / "env", "there-1.0"))
    assert plan.sources == {"alpha": "installed", "beta": "wheels", "gamma": "nothing"}
    assert plan.warnings == ()


def test_a_changed_wheel_is_refused_before_it_is_believed(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", "1.0")
    packages.lock("alpha", "linux-x64", "3.12")
    packages.wheel("alpha", "top", "1.0", metadata="Requires-Python: >=3.13\n")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert what.startswith("alpha: top-1.0-py3-none-any.whl is not the wheel that its lock names")
    assert code == 4


def test_different_files_of_one_name_are_told_with_both_packages(packages: Packages, tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        packages.package(name, "top")
        packages.wheel(name, "top", "1.0", metadata=f"Summary: {name}\n")
        packages.lock(name, "linux-x64", "3.12")
    ((what, code),) = problems_of(planned(packages, target(tmp_path / "env")))
    assert what == "alpha and beta carry different files under the name top-1.0-py3-none-any.whl."
    assert code == 2


def test_the_best_of_several_wheels_of_one_version_is_taken(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", "1.0")
    best = packages.wheel("alpha", "top", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    packages.wheel("alpha", "top", "1.0", tag="cp311-abi3-manylinux_2_17_x86_64")
    (chosen,) = planned(packages, target(tmp_path / "env")).install
    assert chosen.path == best
