from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, NetworkError
from bundle.cli.app import Result
from bundle.model.locks.pylock import write_lock
from tests.cli.project.locked import locked_project
from tests.cli.results import result_of, text_of
from tests.make.lockable import Lockable
from tests.make.registry import Registry, serving


def test_newer_versions_cannot_be_found_offline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--offline forbids"):
        result_of(locked_project(tmp_path), "outdated", "--offline")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("low", "1.0")
        running.wheel("still", "1.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    place = Lockable(tmp_path / "project", registry)
    for platform in ("linux-x64", "windows-x64"):
        lock = place.lock("low", "still", platform=platform)
        write_lock(lock, place.project.lock_path(place.version, platform))
    registry.wheel("low", "1.1")
    registry.wheel("low", "2.0", tag="cp312-cp312-win_amd64")
    return place


def call(place: Lockable, *arguments: str) -> Result:
    cache = {"BUNDLE_CACHE_DIR": str(place.root / "fresh")}
    return result_of(place.root, "outdated", *arguments, environ=cache)


@pytest.mark.real
def test_newer_versions_are_told_by_platform_and_nothing_is_written(place: Lockable) -> None:
    before = {path: path.read_bytes() for path in place.root.rglob("pylock.*")}

    result = call(place, "--platform", "linux-x64", "--platform", "windows-x64")

    assert (result.exit_code, result.data["failed"]) == (0, [])
    first = result.data["locks"][0]["packages"][0]
    assert first == {
        "name": "low",
        "locked": "1.0",
        "upgrade": "1.1",
        "newest": "1.1",
        "heldBackBy": [],
        "outdated": True,
    }
    heading, _, *rows = text_of(result).splitlines()
    assert heading == f"{place.version}: 1 of 2 packages are outdated"
    assert [row.split() for row in rows] == [
        ["low", "1.0", "1.1", "1.1", "linux-x64"],
        ["low", "1.0", "2.0", "2.0", "windows-x64"],
    ]
    assert {path: path.read_bytes() for path in place.root.rglob("pylock.*")} == before


@pytest.mark.real
def test_a_registry_that_does_not_answer_is_an_error(place: Lockable, registry: Registry) -> None:
    registry.broken.add("low")

    with pytest.raises(NetworkError):
        call(place, "--platform", "linux-x64")


@pytest.mark.real
def test_platforms_without_a_lock_are_told_beside_the_others(place: Lockable) -> None:
    result = call(place, place.version, "--platform", "linux-x64", "--platform", "macosx-x64")

    assert [one["platform"] for one in result.data["locks"]] == ["linux-x64"]
    assert [one["platform"] for one in result.data["failed"]] == ["macosx-x64"]
    assert result.exit_code == 2
