from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bundle.artifacts.vendored.offers import Offer, Offers
from bundle.artifacts.vendored.selection import Demand, Selection, select
from bundle.base.errors import IntegrityError
from bundle.model.platforms import PLATFORMS
from bundle.model.wheeltags import parse_wheel_name
from tests.artifacts.vendored.carried import Packages

ENVIRONMENT = PLATFORMS["linux-x64"].marker_environment("3.12.7")


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path)


def selected(packages: Packages, *wanted: str, installed: tuple[Offer, ...] = ()) -> Selection:
    offers = Offers()
    for path in packages.root.glob("*/wheels/*.whl"):
        name, version, _, _ = parse_wheel_name(path.name)
        offers.add(Offer(name=name, version=version, path=path, package=path.parts[-3]))
    for one in installed:
        offers.add(one)
    demands = [Demand(Requirement(text), package) for package, text in (one.split(": ", 1) for one in wanted)]
    return select(demands, offers, ENVIRONMENT)


def versions(selection: Selection) -> dict[str, str]:
    return {name: str(one.version) for name, one in selection.chosen.items()}


def test_dependencies_come_along_by_marker_and_extra(packages: Packages) -> None:
    packages.wheel("a", "top", "1.0", ["low>=1", "never; sys_platform == 'win32'", "more; extra == 'big'"])
    packages.wheel("a", "low", "1.5")
    packages.wheel("a", "more", "2.0", ["Low<2"])
    packages.wheel("a", "unused", "1.0")
    assert versions(selected(packages, "a: top")) == {"top": "1.0", "low": "1.5"}
    assert versions(selected(packages, "a: Top[big]")) == {"top": "1.0", "low": "1.5", "more": "2.0"}
    assert versions(selected(packages, "a: low; python_version < '3'")) == {}


def test_the_newest_version_that_all_accept_is_taken(packages: Packages) -> None:
    packages.wheel("a", "low", "1.0")
    packages.wheel("b", "low", "2.0")
    packages.wheel("b", "top", "1.0", ["low<2"])
    assert versions(selected(packages, "a: low", "b: low")) == {"low": "2.0"}
    assert versions(selected(packages, "a: low", "b: top")) == {"low": "1.0", "top": "1.0"}


def test_demands_that_contradict_each_other_are_told_with_both_packages(packages: Packages) -> None:
    packages.wheel("a", "low", "1.0")
    packages.wheel("b", "low", "2.0")
    packages.wheel("b", "top", "1.0", ["low>=2"])
    selection = selected(packages, "a: low<2", "b: top")
    assert [str(one) for one in selection.unmet["low"]] == ["a wants low<2", "b wants low>=2, through top 1.0"]
    assert versions(selection) == {"top": "1.0"}


def test_what_is_missing_is_told(packages: Packages) -> None:
    packages.wheel("a", "top", "1.0", ["low"])
    selection = selected(packages, "a: top", "b: other>1")
    assert {name: [one.package for one in some] for name, some in selection.unmet.items()} == {
        "low": ["a"],
        "other": ["b"],
    }


def test_a_wheel_that_does_not_run_on_the_python_is_none(packages: Packages) -> None:
    packages.wheel("a", "low", "1.0", metadata="Requires-Python: >=3.8\n")
    packages.wheel("a", "low", "2.0", metadata="Requires-Python: >=3.13\n")
    assert versions(selected(packages, "a: low")) == {"low": "1.0"}


def test_what_is_installed_counts_where_no_wheel_does(packages: Packages, tmp_path: Path) -> None:
    folder = tmp_path / "low-3.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: low\nVersion: 3.0\nRequires-Dist: deep\n")
    version = parse_wheel_name("low-3.0-py3-none-any.whl")[1]
    installed = Offer(name="low", version=version, path=folder)
    packages.wheel("a", "low", "2.0")
    assert versions(selected(packages, "a: low", installed=(installed,))) == {"low": "2.0"}
    selection = selected(packages, "a: low>2", installed=(installed,))
    assert selection.chosen["low"].installed
    assert list(selection.unmet) == ["deep"]


def test_circles_come_to_rest(packages: Packages) -> None:
    packages.wheel("a", "one", "1.0", ["two[x]"])
    packages.wheel("a", "two", "1.0", ["one", "two[y]; extra == 'x'", "three; extra == 'y'"])
    packages.wheel("a", "three", "1.0", ["one"])
    assert sorted(versions(selected(packages, "a: one"))) == ["one", "three", "two"]


@pytest.mark.parametrize("metadata", ["Requires-Dist: >>\n", "Requires-Python: x\n", "Requires-Dist: a\n" * 6000])
def test_metadata_that_cannot_be_read_are_told(packages: Packages, metadata: str) -> None:
    packages.wheel("a", "low", "1.0", metadata=metadata)
    with pytest.raises(IntegrityError, match="has no metadata that can be read"):
        selected(packages, "a: low")
