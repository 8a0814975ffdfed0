from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from bundle.artifacts.vendored.package import Package
from bundle.base.errors import ConfigError
from bundle.run.vendored.search_path import PATH_FILE, SearchPath, search_path
from bundle.run.vendored.target import Target
from tests.artifacts.vendored.carried import Packages
from tests.run.vendored.environments import says, target

SHORT = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def path_of(packages: Packages, scripts: Path | None, *names: str) -> SearchPath:
    return search_path([Package(name=name, folder=packages.root / name) for name in names], scripts)


def write(path: SearchPath, into: Target) -> None:
    into.site_packages.mkdir(parents=True, exist_ok=True)
    (into.site_packages / PATH_FILE).write_text(path.text(into))


def test_places_beside_the_environment_are_relative_to_it(packages: Packages, tmp_path: Path) -> None:
    packages.module("alpha", "one.py")
    path = path_of(packages, Path("/elsewhere/scripts"), "alpha", "without")
    into = target(tmp_path / "env")
    assert path.text(into) == "/elsewhere/scripts\n../../../../packages/alpha/python_modules\n"
    assert not path.is_current(into)
    write(path, into)
    assert path.is_current(into)


def test_without_folders_there_need_be_no_file(packages: Packages, tmp_path: Path) -> None:
    path = path_of(packages, None, "alpha")
    into = target(tmp_path / "env")
    assert path.is_current(into)
    write(SearchPath(folders={"x": tmp_path}), into)
    assert not path.is_current(into)


def test_modules_that_hide_others_are_told(packages: Packages, tmp_path: Path) -> None:
    for owner in ("alpha", "beta"):
        packages.module(owner, "same.py")
        packages.module(owner, "space/part_of_" + owner + ".py")
        packages.module(owner, "own_" + owner + ".py")
    packages.module("alpha", "there/__init__.py")
    packages.module("beta", "json.py")
    packages.module("beta", "native.cpython-312-x86_64-linux-gnu.so")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "native.py").write_text("")
    into = target(tmp_path / "env")
    (into.site_packages / "there").mkdir(parents=True)
    assert path_of(packages, scripts, "alpha", "beta").collisions(into) == (
        "there of alpha is hidden by there of an installed distribution",
        "json of beta is hidden by json of the standard library",
        "native of beta is hidden by native of the scripts folder",
        "same of beta is hidden by same of alpha",
    )


def test_a_folder_that_a_line_cannot_name_is_refused(tmp_path: Path) -> None:
    for name in ("a\nb", "a "):
        with pytest.raises(ConfigError, match=r"A \.pth file cannot name the folder"):
            search_path([], tmp_path / name)


@pytest.mark.real
def test_a_real_interpreter_searches_in_that_order(packages: Packages, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts with blanks"
    scripts.mkdir()
    (scripts / "first.py").write_text("OWNER = 'scripts'\n")
    for owner in ("beta", "alpha"):
        packages.module(owner, "first.py")
        packages.module(owner, "second.py")
        packages.module(owner, "space/part_of_" + owner + ".py")
        packages.module(owner, "installed.py")
        packages.module(owner, "json.py")
    root = tmp_path / "env"
    venv.create(root, with_pip=False)
    into = target(root, python=f"{SHORT}.0")
    (into.site_packages / "installed.py").write_text("OWNER = 'site-packages'\n")
    path = path_of(packages, scripts, "alpha", "beta")
    write(path, into)
    program = (
        "import first, second, installed, json, space.part_of_alpha, space.part_of_beta\n"
        "print(first.OWNER, second.OWNER, installed.OWNER, hasattr(json, 'OWNER'))"
    )
    assert says(root, program) == ["scripts alpha site-packages False"]
    # The folder of the program that is started comes before everything, and the whole can be moved.
    moved = tmp_path / "moved"
    moved.mkdir()
    for folder in (root, packages.root, scripts):
        folder.rename(moved / folder.name)
    assert says(moved / "env", program) == ["scripts alpha site-packages False"]
