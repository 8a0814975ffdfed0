from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.vendored.lock import read_lock
from bundle.model.platforms import PLATFORMS, Floors
from tests.artifacts.vendored.carried import Packages
from tests.make.projects import Run
from tests.make.registry import Registry, serving
from tests.run.vendored.environments import command

pytestmark = pytest.mark.real

LINUX = "cp312-cp312-manylinux_2_17_x86_64"
ARM = "cp312-cp312-manylinux_2_17_aarch64"


class Station:
    """A package, and the registry that its wheels come from."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self.root = root
        self.registry = registry
        self.packages = Packages(root / "packages")

    @property
    def wheels(self) -> Path:
        return self.packages.root / "alpha" / "wheels"

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.wheels.glob("*"))

    def run(self, *words: str) -> Run:
        folder = self.packages.root / "alpha"
        return command("--json", "vendor", folder, *words, folder=self.root, UV_DEFAULT_INDEX=self.registry.url)

    def vendor(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.code == 0, done.errors
        (package,) = done.json["packages"]
        return package

    def locked(self, platform: str, python: str = "3.12.7") -> dict[str, str]:
        lock = read_lock(self.wheels, platform)
        assert lock is not None
        return {one.name: one.version for one in lock.select(PLATFORMS[platform], python, Floors())}


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with serving(Registry(tmp_path / "registry")) as registry:
        registry.wheel("low", "1.0")
        registry.wheel("top", "1.0", ["low", "colour; sys_platform == 'win32'"], tag=LINUX)
        registry.wheel("top", "1.0", ["low", "colour; sys_platform == 'win32'"], tag=ARM)
        registry.wheel("top", "1.0", ["low", "colour; sys_platform == 'win32'"], tag="cp312-cp312-win_amd64")
        registry.wheel("colour", "1.0")
        station = Station(tmp_path, registry)
        station.packages.package("alpha", "top>=1")
        yield station


def test_a_package_gets_its_wheels_for_every_platform_and_a_second_run_asks_nobody(station: Station) -> None:
    platforms = ("--platform", "linux-x64", "--platform", "linux-aarch64", "--platform", "windows-x64")
    done = station.vendor(*platforms, "--python", "3.12")
    assert done["status"] == "changed"
    wheels = [f"top-1.0-{tag}.whl" for tag in (LINUX, ARM, "cp312-cp312-win_amd64")]
    pure = ["colour-1.0-py3-none-any.whl", "low-1.0-py3-none-any.whl"]
    locks = [f"pylock.{key}.toml" for key in ("linux-aarch64", "linux-x64", "windows-x64")]
    assert station.files == sorted([*wheels, *pure, *locks])
    assert sorted(done["added"]) == sorted([*wheels, *pure])
    assert station.locked("linux-aarch64") == {"low": "1.0", "top": "1.0"}
    assert station.locked("windows-x64") == {"colour": "1.0", "low": "1.0", "top": "1.0"}
    times = {path: path.stat().st_mtime_ns for path in station.wheels.iterdir()}
    station.registry.requests.clear()
    assert station.vendor(*platforms, "--python", "3.12")["status"] == "unchanged"
    assert station.vendor()["status"] == "unchanged"
    assert station.registry.requests == []
    assert times == {path: path.stat().st_mtime_ns for path in station.wheels.iterdir()}


def test_what_nothing_needs_any_more_goes_and_what_is_not_ours_stays(station: Station) -> None:
    station.vendor("--platform", "linux-x64", "--python", "3.12")
    station.packages.wheel("alpha", "own", "1.0")
    station.registry.wheel("low", "2.0")
    station.packages.package("alpha", "low")
    done = station.vendor()
    assert (done["removed"], done["added"]) == ([f"top-1.0-{LINUX}.whl"], [])
    assert done["notNamed"] == ["own-1.0-py3-none-any.whl"]
    assert station.locked("linux-x64") == {"low": "1.0"}
    upgraded = station.vendor("--upgrade")
    assert upgraded["removed"] == ["low-1.0-py3-none-any.whl"]
    assert station.locked("linux-x64") == {"low": "2.0"}
    assert station.files == ["low-2.0-py3-none-any.whl", "own-1.0-py3-none-any.whl", "pylock.linux-x64.toml"]


def test_a_file_that_took_the_place_of_a_wheel_is_not_ours(station: Station) -> None:
    station.vendor("--platform", "linux-x64", "--python", "3.12")
    changed = station.wheels / f"top-1.0-{LINUX}.whl"
    changed.write_bytes(b"mine")
    station.packages.package("alpha", "low")
    done = station.vendor()
    assert (done["removed"], done["notNamed"]) == ([], [changed.name])
    assert changed.read_bytes() == b"mine"


def test_a_damaged_wheel_comes_back(station: Station) -> None:
    station.vendor("--platform", "linux-x64", "--python", "3.12")
    wheel = station.wheels / f"top-1.0-{LINUX}.whl"
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-1])
    assert station.vendor()["added"] == [wheel.name]
    assert wheel.read_bytes() == content


def test_all_gaps_are_told_at_once_with_the_wheels_that_exist(station: Station) -> None:
    station.registry.sdist("sourced", "1.0")
    station.packages.package("alpha", "top", "sourced")
    done = station.run(
        "--platform", "linux-x64", "--platform", "macosx-aarch64", "--python", "3.12", "--python", "3.13"
    )
    assert done.code == 1
    for python in ("3.12", "3.13"):
        for platform in ("linux-x64", "macosx-aarch64"):
            assert f"alpha, Python {python} on {platform}" in done.errors
    assert "wheels exist for" in done.errors
    assert "cp312 manylinux_2_17_aarch64" in done.errors
    assert not station.wheels.exists()


def test_pythons_may_have_different_versions(station: Station) -> None:
    station.registry.wheel("both", "1.0", python="<3.12")
    station.registry.wheel("both", "2.0", python=">=3.12")
    station.packages.package("alpha", "both")
    station.vendor("--platform", "linux-x64", "--python", "3.12", "--python", "3.11")
    assert station.locked("linux-x64", "3.11.2") == {"both": "1.0"}
    assert station.locked("linux-x64", "3.12.7") == {"both": "2.0"}


def test_mistakes_of_the_command_line_and_the_package_are_told(station: Station) -> None:
    assert "Name what is wanted: --platform KEY and --python X.Y" in station.run().errors
    assert station.run("--platform", "linux-x64", "--python", "3.12.1").code == 2
    station.packages.package("alpha", "top==7")
    wrong = station.run("--platform", "linux-x64", "--python", "3.12")
    assert wrong.code == 2
    assert "top has no version that satisfies ==7" in wrong.errors
    assert "requirements.pipPackages" in wrong.errors
    (station.packages.root / "alpha" / "package.json").write_text("{")
    assert station.run("--platform", "linux-x64", "--python", "3.12").code == 2
    assert json.loads(station.run("--platform", "linux-x64", "--python", "3.12").output)["error"] == "ConfigError"


def test_a_lock_of_another_tool_stays(station: Station) -> None:
    station.wheels.mkdir()
    other = station.wheels / "pylock.linux-x64.toml"
    other.write_text('lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n')
    done = station.run("--platform", "linux-x64", "--python", "3.12")
    assert done.code == 2
    assert "was not made by `bundle vendor`" in done.errors
    assert 'created-by = "uv"' in other.read_text()


def test_packages_that_want_different_versions_are_told(station: Station) -> None:
    station.registry.wheel("low", "2.0")
    station.packages.package("beta", "low>=2")
    station.packages.package("gamma", "low")
    (station.packages.root / "broken").mkdir()
    (station.packages.root / "broken" / "package.json").write_text("{")
    wanted = ("--platform", "linux-x64", "--python", "3.12")
    for name in ("beta", "gamma"):
        folder = station.packages.root / name
        done = command("vendor", folder, *wanted, folder=station.root, UV_DEFAULT_INDEX=station.registry.url)
        assert (done.code, "together" in done.errors) == (0, False), done.errors
    station.packages.package("alpha", "top", "low<2")
    done = station.run(*wanted)
    assert done.code == 0
    assert "alpha cannot be provisioned together with beta" in " ".join(done.errors.split())
    assert "beta wants low>=2" in done.errors
    station.packages.package("alpha", "top")
    assert "together" not in station.run().errors
