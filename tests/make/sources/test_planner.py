from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.make.sources.planner import SourceBuild, plan_builds
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.locks.lock import BuildRequirement, Lock, LockedFile, LockedPackage
from bundle.model.platforms import PLATFORMS

LINUX, WINDOWS = PLATFORMS["linux-x64"], PLATFORMS["windows-x64"]

CONFIG = Config(
    version="3.12.10-demo",
    python="3.12.10",
    folder=Path("versions"),
    packages=dict.fromkeys(PLATFORMS, PlatformPackages()),
)

PURE = "setuptools-80.9.0-py3-none-any.whl"
ON_WINDOWS = "cython-3.1-cp312-cp312-win_amd64.whl"
ON_LINUX = "cython-3.1-cp312-cp312-manylinux_2_28_x86_64.whl"


def file(name: str) -> LockedFile:
    return LockedFile(name=name, sha256=name.encode().hex()[:64].ljust(64, "0"), size=1)


def package(name: str = "demo", *build: str, sdist: str = "demo-1.0.tar.gz", **more: Any) -> LockedPackage:
    requirements = tuple(BuildRequirement(name="tool", version="1", file=file(one)) for one in build)
    values: dict[str, Any] = {"kind": "source", "reason": "allowed", "required_by": ("",), **more}
    return LockedPackage(name=name, version="1.0", file=file(sdist), build=requirements, **values)


def lock(platform: str, *packages: LockedPackage) -> Lock:
    return Lock(version=CONFIG.version, platform=platform, python="3.12.10", inputs="", packages=packages)


def planned(here: LockedPackage, own: Lock | None = None) -> SourceBuild:
    (build,) = plan_builds(lock("windows-x64", here), CONFIG, LINUX, own)
    return build


def test_only_source_packages_are_planned() -> None:
    plan = plan_builds(lock("linux-x64", package(), package("other", kind="wheel")), CONFIG, LINUX, None)

    assert [one.package.name for one in plan] == ["demo"]


def test_at_home_a_source_is_built_as_the_lock_says() -> None:
    source = package("demo", ON_LINUX)
    (build,) = plan_builds(lock("linux-x64", source), CONFIG, LINUX, None)

    assert (build.adapted, build.refusal) == (source, None)


def test_a_source_with_pure_requirements_is_tried_for_a_foreign_platform() -> None:
    source = package("demo", PURE)

    assert (planned(source).adapted, planned(source).refusal) == (source, None)


def test_native_requirements_are_replaced_by_those_of_this_machines_lock() -> None:
    build = planned(package("demo", ON_WINDOWS), own=lock("linux-x64", package("demo", ON_LINUX)))

    assert [one.file.name for one in build.adapted.build] == [ON_LINUX]
    assert [one.file.name for one in build.package.build] == [ON_WINDOWS]
    assert build.refusal is None


@pytest.mark.parametrize(
    "own",
    [
        None,
        lock("linux-x64"),
        lock("linux-x64", package("demo", ON_LINUX, kind="wheel")),
        lock("linux-x64", package("demo", ON_LINUX, sdist="demo-2.0.tar.gz")),
    ],
    ids=["no lock", "no package", "a wheel", "another sdist"],
)
def test_without_the_same_source_there_the_build_is_refused(own: Lock | None) -> None:
    refusal = planned(package("demo", PURE, ON_WINDOWS), own).refusal

    assert refusal is not None
    assert refusal.what.endswith("building it for windows-x64 needs a native windows-x64 machine.")
    assert refusal.cause is not None
    assert ON_WINDOWS in refusal.cause
    assert PURE not in refusal.cause
    assert "packages.skip.demo.windows-x64" in (refusal.remedy or "")


def test_wheels_for_single_platforms_tell_that_a_source_is_native() -> None:
    refusal = planned(package("demo", PURE, available=("cp312 macosx_11_0_arm64",))).refusal

    assert refusal is not None
    assert refusal.cause == "It has native code: its wheels are for cp312 macosx_11_0_arm64."
    assert planned(package("demo", PURE, available=("py3 any",))).refusal is None
