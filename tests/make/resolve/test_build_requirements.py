from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.errors import ConfigError
from bundle.make.resolve.local_pages import LocalPages
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.source_metadata import BuildRequirementSolver
from tests.make.lockable import LINUX, Lockable
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("helper", "1.0")
        running.wheel("helper", "2.0", ["deeper"])
        running.wheel("deeper", "1.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry)


def solved(place: Lockable, text: str, kept: dict[str, Version] | None = None, **packages: Any) -> dict[str, str]:
    config = place.config(**packages)
    files = RegistryFiles(place.context(), config, local=LocalPages(config, LINUX), work=place.root / "files")
    solver = BuildRequirementSolver(files, config, place.root / "work")
    found = solver.solve([Requirement(text)], what="demo 1.0", platform=LINUX, kept=kept or {})
    return {one.name: one.version for one in found}


def test_the_rules_on_the_bundles_own_packages_do_not_count(place: Lockable) -> None:
    rules: dict[str, Any] = {
        "overrides": {"helper": "1.0"},
        "skip": {"deeper": {"linux-x64": "the bundle has no use for it"}},
    }
    assert solved(place, "helper", **rules) == {"deeper": "1.0", "helper": "2.0"}


def test_a_version_of_the_last_lock_stays_where_it_fits(place: Lockable) -> None:
    last = {"helper": Version("1.0")}
    assert solved(place, "helper", last) == {"helper": "1.0"}
    assert solved(place, "helper>=2", last) == {"deeper": "1.0", "helper": "2.0"}


def test_a_build_requirement_by_address_is_refused(place: Lockable, registry: Registry) -> None:
    registry.wheel("helper", "3.0", ["other @ https://example.com/other-1.0-py3-none-any.whl"])
    with pytest.raises(ConfigError, match=r"The build of demo 1\.0 requires other@? .*by URL are not supported"):
        solved(place, "helper")
