from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import IntegrityError
from bundle.base.files import sha256_of
from bundle.model.locks.pylock import dump_lock
from tests.artifacts.wheelmaker import make_wheel
from tests.make.lockable import Lockable, found, pins
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

LINUX = "cp312-cp312-manylinux_2_17_x86_64"
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)
ARM_ELF = ELF.replace(b"\x3e\x00", b"\xb7\x00")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry)


@pytest.fixture
def folder(place: Lockable) -> Path:
    return place.root / "versions" / place.version / "wheels"


def test_a_wheel_that_is_handed_over_comes_before_rules_and_registries(
    place: Lockable, registry: Registry, folder: Path
) -> None:
    registry.static_sdist("demo", "1.0")
    registry.wheel("demo", "1.0", tag=LINUX)
    registry.wheel("low", "1.0")
    wheel = make_wheel(folder, "demo", tag=LINUX, files={"demo.so": ELF}, metadata="Requires-Dist: low\n")

    lock = place.lock("demo", forceSource={"demo": {"linux-x64": "it must"}})

    package = found(lock, "demo")
    assert package.file is not None
    assert (package.kind, package.file.name, package.file.sha256) == ("wheel", wheel.name, sha256_of(wheel))
    assert package.reason == f"handed over: versions/{place.version}/wheels/{wheel.name}"
    assert package.dependencies == ("low",)
    assert str(place.root) not in dump_lock(lock)


def test_its_version_is_preferred_where_it_fits_and_given_up_where_it_does_not(
    place: Lockable, registry: Registry, folder: Path
) -> None:
    registry.wheel("demo", "2.0")
    registry.wheel("user", "1.0", ["demo>=2"])
    make_wheel(folder, "demo", tag=LINUX)

    assert pins(place.lock("demo"))["demo"] == "1.0"
    assert pins(place.lock("demo", upgrade=True))["demo"] == "1.0"
    assert pins(place.lock("demo", "user"))["demo"] == "2.0"
    assert pins(place.lock("demo", platform="windows-x64"))["demo"] == "2.0"


def test_a_package_that_no_registry_has_may_be_handed_over(place: Lockable, folder: Path) -> None:
    make_wheel(folder, "private-thing")
    assert pins(place.lock("private-thing")) == {"private-thing": "1.0"}
    assert pins(place.lock("private-thing", platform="windows-x64")) == {"private-thing": "1.0"}


def test_fetching_takes_it_from_its_folder(place: Lockable, folder: Path) -> None:
    wheel = make_wheel(folder, "demo", tag=LINUX)
    lock = place.lock("demo")

    place.fetch(lock, place.config("demo"), cache="empty", offline=True)

    assert sha256_of(place.project.wheelhouse / wheel.name) == sha256_of(wheel)


def test_bytes_other_than_the_locked_ones_are_refused(place: Lockable, folder: Path) -> None:
    make_wheel(folder, "demo", tag=LINUX)
    lock = place.lock("demo")
    make_wheel(folder, "demo", tag=LINUX, files={"more.py": ""})

    with pytest.raises(IntegrityError, match="should have the SHA-256"):
        place.fetch(lock, place.config("demo"), cache="empty")


@pytest.mark.parametrize("tag", [LINUX, "py3-none-any", "cp312-cp312-linux_x86_64"])
def test_a_wheel_whose_tag_lies_is_refused(place: Lockable, folder: Path, tag: str) -> None:
    make_wheel(folder, "demo", tag=tag, files={"demo.so": ARM_ELF})

    with pytest.raises(IntegrityError, match=r"has native files only for linux-aarch64") as caught:
        place.lock("demo")
    assert "bundle wheel" in caught.value.remedy


def test_a_wheel_that_was_renamed_is_refused(place: Lockable, folder: Path) -> None:
    wheel = make_wheel(folder, "demo")
    wheel.rename(wheel.with_name("demo-2.0-py3-none-any.whl"))

    with pytest.raises(IntegrityError, match=r"holds demo 1\.0, which contradicts its name"):
        place.lock("demo")


def test_a_file_that_is_no_wheel_is_refused(place: Lockable, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "demo-1.0-py3-none-any.whl").write_bytes(b"nothing")

    with pytest.raises(IntegrityError, match="not a readable wheel"):
        place.lock("demo")


def test_a_wheel_above_the_floor_does_not_count_and_is_told(place: Lockable, registry: Registry, folder: Path) -> None:
    registry.wheel("demo", "1.0", tag=LINUX)
    make_wheel(folder, "demo", "2.0", tag="cp312-cp312-manylinux_2_39_x86_64")

    assert pins(place.lock("demo")) == {"demo": "1.0"}
    assert any("do not fit Python 3.12 or build.glibc 2.28" in warning for warning in place.reporter.warnings)


def test_a_wheel_that_is_taken_away_makes_the_package_what_it_was_before(
    place: Lockable, registry: Registry, folder: Path
) -> None:
    registry.wheel("demo", "1.0", tag=LINUX)
    make_wheel(folder, "demo", tag=LINUX, files={"other.py": ""})
    before = place.lock("demo")
    shutil.rmtree(folder)

    after = place.lock("demo", previous=before)

    assert found(after, "demo").reason == "a compatible wheel"
    assert after.inputs != before.inputs
