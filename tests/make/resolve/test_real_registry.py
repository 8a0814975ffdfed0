"""Locks from the registry that everybody uses, for requirements that are hard in the ways that real ones are."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from bundle.base.errors import MissingPackageError
from bundle.model.locks.pylock import dump_lock
from bundle.model.platforms import PLATFORMS
from tests.make.lockable import Lockable, found, pins
from tests.make.registry import Registry

pytestmark = pytest.mark.real

DEMANDING = ("biopython==1.85", "openmm==8.3.1", "pdbfixer==1.12.0", "prodigy-prot==2.3.0")


@pytest.fixture
def place(tmp_path: Path) -> Lockable:
    place = Lockable(tmp_path / "project", Registry(tmp_path), version=platform.python_version())
    place.registries = {}
    return place


def test_a_set_with_sources_is_locked_for_linux(place: Lockable) -> None:
    lock = place.lock(*DEMANDING, python=Path(sys.executable), resolution={"allowSourceList": ["pdbfixer", "freesasa"]})

    assert pins(lock).keys() == {"biopython", "freesasa", "numpy", "openmm", "pdbfixer", "prodigy-prot"}
    assert {package.name for package in lock.packages if package.kind == "source"} == {"pdbfixer", "freesasa"}
    assert found(lock, "freesasa").required_by == ("prodigy-prot",)
    assert "cython" in {one.name for one in found(lock, "freesasa").build}
    assert "://" not in dump_lock(lock)
    assert all(file.size > 0 for file in lock.files)
    again = place.lock(
        *DEMANDING, offline=True, resolution={"allowSourceList": ["pdbfixer", "freesasa"]}, previous=lock
    )
    assert dump_lock(again) == dump_lock(lock)


def test_every_gap_of_a_platform_is_told_in_one_run(place: Lockable) -> None:
    with pytest.raises(MissingPackageError) as caught:
        place.lock(*DEMANDING, platform="linux-aarch64")

    gaps = {line.split()[0] for line in caught.value.details if not line.startswith(" ")}
    assert gaps == {"openmm", "pdbfixer", "freesasa"}


@pytest.mark.parametrize("key", list(PLATFORMS))
def test_wheels_of_every_platform_are_chosen_from_here(place: Lockable, key: str) -> None:
    lock = place.lock("numpy==2.2.6", "colorama ; sys_platform == 'win32'", platform=key)

    file = found(lock, "numpy").file
    assert file is not None
    words = {"linux": "manylinux", "macosx": "macosx", "windows": "win_amd64"}
    assert words[PLATFORMS[key].system] in file.name
    assert (lock.package("colorama") is not None) == (key == "windows-x64")
