from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.make.outdated import Age, Obstacle, ages_of
from bundle.model.locks.pylock import write_lock
from tests.make.lockable import LINUX, Lockable
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry)


def ages(place: Lockable, *dependencies: str, **packages: Any) -> dict[str, Age]:
    """Compare what was locked before with what the registry has now."""
    status = place.context().lock_status(place.config(*dependencies, **packages), LINUX)
    return {age.name: age for age in ages_of(place.context(cache="fresh"), status)}


def lock(place: Lockable, *dependencies: str, **packages: Any) -> None:
    write_lock(place.lock(*dependencies, **packages), place.project.lock_path(place.version, "linux-x64"))


def test_a_package_is_told_with_the_versions_that_it_has_and_could_have(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low"])
    registry.wheel("low", "1.0")
    registry.wheel("still", "1.0")
    lock(place, "top", "still")
    registry.wheel("top", "2.0")

    found = ages(place, "top", "still")

    assert found["top"] == Age(name="top", locked="1.0", upgrade="2.0", newest="2.0")
    assert found["low"] == Age(name="low", locked="1.0", upgrade=None, newest="1.0")
    assert not found["still"].is_outdated
    assert found["top"].is_outdated
    assert found["low"].is_outdated


def test_what_holds_the_newest_version_back_is_named(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low<2"])
    names = ("low", "pinned", "ruled", "floored", "sourced", "picky")
    for name in names:
        registry.wheel(name, "1.0")
        registry.wheel(name, "1.5")
    asked = ("top", "low", "pinned<=1.0", "ruled", "floored", "sourced", "picky")
    rules: dict[str, Any] = {"overrides": {"ruled": "1.0"}}
    lock(place, *asked, **rules)
    for name in ("low", "pinned", "ruled"):
        registry.wheel(name, "2.0")
    registry.wheel("floored", "2.0", tag="cp312-cp312-manylinux_2_39_x86_64")
    registry.sdist("sourced", "2.0")
    registry.wheel("picky", "2.0", ["low>=2"])

    found = ages(place, *asked, **rules)

    assert {name: age.newest for name, age in found.items() if name != "top"} == dict.fromkeys(names, "2.0")
    held = {name: found[name].held_back_by for name in ("low", "pinned", "ruled", "picky")}
    assert held == {
        "low": (Obstacle(what="low<2", by="top 1.0"),),
        "pinned": (Obstacle(what="pinned<=1.0", by="the configuration"),),
        "ruled": (Obstacle(what="ruled 1.0", by="packages.overrides"),),
        "picky": (Obstacle(what="low>=2, and 1.5 is taken", by="picky 2.0"),),
    }
    (floor,), (source,) = found["floored"].held_back_by, found["sourced"].held_back_by
    assert 'one would with "2.39"' in str(floor)
    assert "allowSourceList" in str(source)


def test_versions_that_are_never_taken_are_not_the_newest(place: Lockable, registry: Registry) -> None:
    registry.wheel("low", "1.0")
    lock(place, "low")
    registry.wheel("low", "2.0rc1")
    registry.wheel("low", "3.0", tag="cp312-cp312-win_amd64")
    registry.wheel("low", "4.0", tag="cp313-cp313-manylinux_2_28_x86_64")
    registry.yanked.add(registry.wheel("low", "5.0").name)

    assert not ages(place, "low")["low"].is_outdated


def test_a_package_by_address_has_no_newest_version(place: Lockable, registry: Registry) -> None:
    file = registry.wheel("low", "1.0")
    registry.wheel("low", "2.0")
    address = f"low @ {registry.url.removesuffix('/simple')}/files/low/{file.name}"
    lock(place, address)

    assert ages(place, address)["low"] == Age(name="low", locked="1.0", upgrade="1.0", newest=None)
