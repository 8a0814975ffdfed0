from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.vendored.package import read_package, read_packages
from bundle.base.errors import ConfigError, Problems
from tests.artifacts.vendored.carried import Packages


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def mistakes(folder: Path) -> list[str]:
    problems = Problems()
    read_packages(folder, problems)
    return [error.what for error in problems.errors]


def test_packages_come_by_name_with_what_they_ask_for(packages: Packages) -> None:
    packages.package("beta", "low>=1; sys_platform == 'linux'", minimum="3.11")
    packages.package("alpha", author="somebody", lifecycleStatus="Released")
    (packages.root / ".hidden").mkdir()
    (packages.root / "data").mkdir()
    problems = Problems()
    alpha, beta = read_packages(packages.root, problems)
    assert problems.errors == ()
    assert (alpha.name, beta.name, alpha.requirements) == ("alpha", "beta", ())
    assert beta.texts == ('low>=1; sys_platform == "linux"',)
    assert str(beta.minimum) == "3.11"
    assert str(beta.lines[0]) == "beta/package.json:6"


def test_the_name_of_the_folder_stands_for_a_missing_one(packages: Packages) -> None:
    folder = packages.root / "plain"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    package = read_package(folder, Problems())
    assert package is not None
    assert (package.name, package.requirements, package.minimum) == ("plain", (), None)


def test_every_mistake_is_told_with_its_place(packages: Packages) -> None:
    folder = packages.package("one", "low >> 2", "fine", minimum="3.10 or so")
    packages.package("two", pip=1).joinpath("package.json").write_text('{\n "requirements": {,\n}')
    packages.package("three").joinpath("package.json").write_text('{"requirements": {"pipPackage": ["a"]}}')
    packages.package("four").joinpath("package.json").write_text('{"requirements": {"minPythonVersion": 3.10}}')
    packages.package("five").joinpath("package.json").write_text('{"requirements": {"pipPackages": "low"}}')
    packages.package("six").joinpath("package.json").write_text('{"requirements": ["low"]}')
    (packages.root / "seven" / "wheels").mkdir(parents=True)
    found = "\n".join(mistakes(packages.root))
    assert "one/package.json:6: 'low >> 2' is no requirement" in found
    assert "one/package.json:9: minPythonVersion is no version" in found
    assert "two/package.json:2:" in found
    assert "three/package.json:1: unknown key 'pipPackage'" in found
    assert "four/package.json:1: minPythonVersion is no version as text. JSON reads 3.10 as the number 3.1." in found
    assert "five/package.json:1: pipPackages is no list" in found
    assert "six/package.json:1: requirements is no object" in found
    assert "seven has wheels or modules and no package.json" in found
    assert folder.is_dir()


def test_other_requirements_are_none_of_ours(packages: Packages) -> None:
    packages.package("one").joinpath("package.json").write_text('{"requirements": {"minDotNetVersion": "8.0"}}')
    assert mistakes(packages.root) == []


@pytest.mark.parametrize("name", ["", "../up", "a b", "-a", "x" * 65, "a\n"])
def test_a_name_is_checked(packages: Packages, name: str) -> None:
    packages.package("one", name=name)
    assert "is no name of a package" in mistakes(packages.root)[0]


def test_two_packages_of_one_name_are_refused(packages: Packages) -> None:
    packages.package("one", name="same")
    packages.package("two", name="Same")
    assert mistakes(packages.root) == ["one and two both hold a package named Same."]


def test_a_package_is_not_a_folder_of_packages(packages: Packages) -> None:
    folder = packages.package("one")
    with pytest.raises(ConfigError, match="is itself a package"):
        read_packages(folder, Problems())
    with pytest.raises(ConfigError, match="cannot be read"):
        read_packages(packages.root / "none", Problems())


@pytest.mark.parametrize("place", ["", "wheels"])
def test_a_requirement_that_the_shell_has_eaten_is_told(packages: Packages, place: str) -> None:
    folder = packages.package("one", "requests", "numpy<3")
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "=2.32.0").write_text("Collecting requests")
    problems = Problems()
    package = read_package(folder, problems)
    assert package is not None
    assert package.check_eaten(problems) == ()
    (error,) = problems.errors
    assert "one: requests has no version in package.json, and a file named '=2.32.0' lies beside it" in error.what


def test_where_all_requirements_have_versions_such_a_file_is_only_remarked(packages: Packages) -> None:
    folder = packages.package("one", "requests>=2.32.0")
    (folder / "=2.32.0").write_text("")
    problems = Problems()
    package = read_package(folder, problems)
    assert package is not None
    (remark,) = package.check_eaten(problems)
    assert "delete it" in remark
    assert problems.errors == ()
