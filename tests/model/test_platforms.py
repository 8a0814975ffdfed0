"""Every platform has every fact, and is in every table that is keyed by platform or system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from bundle.base.native.formats import Format
from bundle.make.sources.repair import REPAIRERS
from bundle.model.config import schema
from bundle.model.platforms import PLATFORMS, SYSTEMS, Floors, Platform, System, platform_of, platforms_of
from bundle.model.system_libraries import LINUX_BASE

SCHEMA = json.loads(Path(schema.__file__).with_name("config.schema.json").read_text(encoding="utf-8"))

SYSTEMS_FIELDS = {
    "linux": {"multiarch", "debian", "oldest_glibc", "loaders", "ldconfig", "qemu_cpu"},
    "macosx": set[str](),
    "windows": {"wine", "launcher"},
}
"""The fields that only the platforms of one system have."""

every_platform = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)


def lists_of_platforms(value: Any) -> Iterator[list[str]]:
    """Yield every list of names in the schema that holds a platform's key, except in its examples."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key != "examples":
                yield from lists_of_platforms(child)
    elif isinstance(value, list):
        if any(isinstance(item, str) and item in PLATFORMS for item in value):
            yield value
        for child in value:
            yield from lists_of_platforms(child)


def test_the_schema_names_every_platform() -> None:
    found = list(lists_of_platforms(SCHEMA))
    assert len(found) >= 2
    assert all(names == list(PLATFORMS) for names in found)


@pytest.mark.parametrize("table", [SYSTEMS, REPAIRERS, SYSTEMS_FIELDS])
def test_every_system_is_in_every_table_of_systems(table: dict[System, object]) -> None:
    assert set(table) == set(get_args(System)) == {platform.system for platform in PLATFORMS.values()}


def test_every_format_of_native_files_has_a_system() -> None:
    assert {facts.binary_format for facts in SYSTEMS.values()} == set(get_args(Format))


@every_platform
def test_a_platform_has_all_facts_of_its_system(platform: Platform) -> None:
    assert platform.key.partition("-")[0] == platform.system
    assert all((platform.machine, platform.triple, *platform.release, platform.uv))
    for system, fields in SYSTEMS_FIELDS.items():
        for field in fields:
            value = getattr(platform, field)
            given = value != Platform.__dataclass_fields__[field].default
            # Wine does not run on every machine of the platform's kind.
            assert given == (system == platform.system) or field == "wine", field


@every_platform
def test_no_two_platforms_are_confused(platform: Platform) -> None:
    others = [other for other in PLATFORMS.values() if other != platform]
    for fact in ("key", "triple", "release", "uv"):
        assert getattr(platform, fact) not in [getattr(other, fact) for other in others]
    assert platforms_of(platform.binary_format, [platform.machine]) == (platform.key,)
    for other in others:
        shared = set(platform.tags("3.12.10", Floors())) & set(other.tags("3.12.10", Floors()))
        assert {tag.platform.rpartition("_")[2] for tag in shared} <= {"any", "universal2"}


@every_platform
def test_a_machine_is_recognised_by_its_own_words(platform: Platform) -> None:
    environment = platform.marker_environment("3.12.10")
    assert platform_of(environment["platform_system"], environment["platform_machine"]) is platform
    assert environment["python_version"] == "3.12"


@pytest.mark.parametrize(("system", "machine"), [("Linux", "riscv64"), ("FreeBSD", "amd64"), ("Windows", "x86")])
def test_another_machine_is_no_platform(system: str, machine: str) -> None:
    assert platform_of(system, machine) is None


@every_platform
def test_linux_facts_follow_the_platform(platform: Platform) -> None:
    if platform.system == "linux":
        assert {Path(loader).name for loader in platform.loaders} <= LINUX_BASE


@pytest.mark.parametrize(
    ("key", "tags"),
    [
        ("linux-x64", (".cpython-312-x86_64-linux-gnu", ".abi3")),
        ("linux-aarch64", (".cpython-312-aarch64-linux-gnu", ".abi3")),
        ("macosx-x64", (".cpython-312-darwin", ".abi3")),
        ("macosx-aarch64", (".cpython-312-darwin", ".abi3")),
        ("windows-x64", (".cp312-win_amd64",)),
    ],
)
def test_native_modules_are_tagged_as_cpython_does(key: str, tags: tuple[str, ...]) -> None:
    assert PLATFORMS[key].module_tags("3.12.10") == tags


def test_tags_go_down_from_the_floor() -> None:
    names = list(
        dict.fromkeys(tag.platform for tag in PLATFORMS["linux-aarch64"].tags("3.12.10", Floors(glibc="2.18")))
    )
    assert names == [
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
        "any",
    ]


@pytest.mark.parametrize(
    ("system", "floor"), [("linux", {"glibc": "2.31"}), ("macosx", {"macos": "12.0"}), ("windows", {})]
)
def test_a_system_has_one_floor_or_none(system: System, floor: dict[str, str]) -> None:
    assert Floors(glibc="2.31", macos="12.0").of(system) == floor
