"""Wheels that another machine hands over, in folders that anything may have been done to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.files import canonical_json
from bundle.base.report import Reporter
from bundle.make.sources.backend import BuildSpec
from bundle.make.sources.wheel_cache import HandedCache, hand_over, handed_key, take_in
from bundle.model.locks.lock import LockedFile, LockedPackage

NAME = "demo-1.0-cp312-cp312-win_amd64.whl"

SDIST = LockedFile(name="demo-1.0.tar.gz", sha256="5" * 64, size=9)


def key_of(**changes: Any) -> dict[str, Any]:
    package = LockedPackage(name="demo", version="1.0", kind="source", file=SDIST, reason="no wheel", required_by=("",))
    spec = BuildSpec(name="demo", version="1.0")
    return {**handed_key(spec, package, platform="windows-x64", python="3.12.10", epoch=0), **changes}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", reporter=Reporter())


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    wheel = tmp_path / NAME
    wheel.write_bytes(b"wheel")
    folder = tmp_path / "handed"
    hand_over(wheel, key_of(), "none", folder)
    return folder


def place_of(handed: Path) -> Path:
    (place,) = (path for path in handed.iterdir() if path.is_dir())
    return place


def test_a_wheel_is_found_under_what_shaped_it_and_nothing_else(handed: Path, store: Store) -> None:
    assert take_in(handed, store, reporter=Reporter()) == [NAME]
    found = HandedCache(store).get(key_of())
    assert found is not None
    assert (found.path.name, found.path.read_bytes(), found.isolation) == (NAME, b"wheel", "none")
    others: list[dict[str, Any]] = [
        {"platform": "linux-x64"},
        {"python": "3.12.9"},
        {"source": "6" * 64},
        {"epoch": 1},
        {"rules": 0},
    ]
    assert [HandedCache(store).get(key_of(**other)) for other in others] == [None] * len(others)


def test_a_wheel_that_is_handed_over_again_replaces_the_former(handed: Path, store: Store, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"other")
    hand_over(tmp_path / NAME, key_of(), "none", handed)
    take_in(handed, store, reporter=Reporter())
    found = HandedCache(store).get(key_of())
    assert found is not None
    assert found.path.read_bytes() == b"other"


def test_files_beside_the_folders_are_passed_over(handed: Path, store: Store) -> None:
    (handed / "notes.txt").write_text("mine")
    assert take_in(handed, store, reporter=Reporter()) == [NAME]


def described(change: Callable[[dict[str, Any]], object], *, moved: bool = False) -> Callable[[Path], None]:
    def damage(place: Path) -> None:
        value = json.loads((place / "wheel.json").read_text())
        change(value)
        (place / "wheel.json").write_text(json.dumps(value))
        if moved:
            place.rename(place.with_name(sha256(canonical_json(value["key"])).hexdigest()))

    return damage


def linked(place: Path) -> None:
    (place / NAME).rename(place.parent.parent / "elsewhere")
    (place / NAME).symlink_to(place.parent.parent / "elsewhere")


def piped(place: Path) -> None:
    (place / NAME).unlink()
    os.mkfifo(place / NAME)


def foldered(place: Path) -> None:
    (place / NAME).unlink()
    (place / NAME).mkdir()


def sparse(place: Path) -> None:
    with (place / NAME).open("wb") as file:
        file.truncate(2**32 + 1)


def huge_description(place: Path) -> None:
    with (place / "wheel.json").open("wb") as file:
        file.truncate(2**21)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda place: (place / NAME).write_bytes(b"other"), id="other-bytes"),
        pytest.param(lambda place: (place / NAME).write_bytes(b"whee"), id="cut-short"),
        pytest.param(lambda place: (place / NAME).unlink(), id="no-wheel"),
        pytest.param(lambda place: (place / "wheel.json").unlink(), id="no-description"),
        pytest.param(lambda place: (place / "wheel.json").write_text("["), id="no-json"),
        pytest.param(lambda place: (place / "wheel.json").write_text("[" * 100_000), id="deep-json"),
        pytest.param(lambda place: (place / "wheel.json").write_text("[]"), id="list"),
        pytest.param(lambda place: place.rename(place.with_name("a" * 64)), id="other-folder"),
        pytest.param(described(lambda value: value["key"].update(source="6" * 64)), id="other-key"),
        pytest.param(described(lambda value: value.update(sha256="../" * 20)), id="path-for-hash"),
        pytest.param(described(lambda value: value.update(sha256=7)), id="number-for-hash"),
        pytest.param(described(lambda value: value.update(wheel=f"../{NAME}")), id="path-for-name"),
        pytest.param(described(lambda value: value.update(wheel=f"..\\{NAME}")), id="windows-path-for-name"),
        pytest.param(described(lambda value: value.update(wheel="demo.whl")), id="no-wheel-name"),
        pytest.param(described(lambda value: value.update(wheel=None)), id="no-name"),
        pytest.param(described(lambda value: value.update(format=2)), id="other-format"),
        pytest.param(described(lambda value: value.update(isolation="strong")), id="other-isolation"),
        pytest.param(described(lambda value: value.update(key=[])), id="list-for-key"),
        pytest.param(described(lambda value: value["key"].update(name="numpy"), moved=True), id="other-name"),
        pytest.param(described(lambda value: value["key"].update(version="2.0"), moved=True), id="other-version"),
        pytest.param(described(lambda value: value["key"].update(version="x y"), moved=True), id="no-version"),
        pytest.param(described(lambda value: value["key"].update(platform="../x"), moved=True), id="other-platform"),
        pytest.param(linked, id="link"),
        pytest.param(piped, id="pipe"),
        pytest.param(foldered, id="folder"),
        pytest.param(sparse, id="huge-wheel"),
        pytest.param(huge_description, id="huge-description"),
    ],
)
def test_what_is_not_what_it_says_is_refused(handed: Path, store: Store, damage: Callable[[Path], object]) -> None:
    damage(place_of(handed))
    with pytest.raises(IntegrityError):
        take_in(handed, store, reporter=Reporter())
    assert HandedCache(store).get(key_of()) is None


def test_folders_without_end_are_refused(handed: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.make.sources.wheel_cache._MOST_HANDED", 3)
    for number in range(3):
        (handed / str(number)).mkdir()
    with pytest.raises(IntegrityError, match="more than 3"):
        take_in(handed, store, reporter=Reporter())
