from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.base.files import sha256_of
from bundle.model.platforms import PLATFORMS
from tests.make.projects import VERSION, SmallProject, World, publish_source, small_world

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


def project_of(world: World, root: Path, *dependencies: str, **packages: Any) -> SmallProject:
    names = list(dependencies)
    allowed = {"allowSourceList": names}
    return world.project(root, packages={"dependencies": names, "resolution": allowed, **packages})


def foreign_to(project: SmallProject) -> list[str]:
    return [key for key in PLATFORMS if key != project.machine.key]


@pytest.fixture
def project(world: World, tmp_path: Path) -> SmallProject:
    """A project with a pure and a native package, both as source, locked for every platform."""
    project = project_of(world, tmp_path / "project", "sourced", "compiled")
    done = project.run("lock", VERSION)
    assert done.code == 0, done.errors
    return project


class TestAPureSource:
    def test_is_built_once_and_serves_every_platform(self, project: SmallProject) -> None:
        wheels = project.run("--json", "wheel", VERSION, "sourced", "--platform", "all").json["wheels"]
        assert [one["platform"] for one in wheels] == list(PLATFORMS)
        assert len({one["sha256"] for one in wheels}) == 1
        assert Path(wheels[0]["path"]).name == "sourced-2.0-py3-none-any.whl"
        assert sha256_of(Path(wheels[0]["path"])) == wheels[0]["sha256"]
        logs = list((project.output / "logs").glob("*/sourced-2.0.log"))
        assert len(logs) <= 1  # None where another test built it before.

    def test_is_told_with_its_hash(self, project: SmallProject) -> None:
        path, digest = project.run("wheel", VERSION, "sourced").output.splitlines()
        assert digest == f"sha256 {sha256_of(Path(path))}"


class TestANativeSource:
    def test_is_built_with_the_interpreter_that_is_named(self, project: SmallProject) -> None:
        refused = project.run("wheel", VERSION, "compiled", "--interpreter", "/nowhere/python")
        assert refused.code == 2
        assert "--interpreter /nowhere/python: not an interpreter source" in refused.errors
        assert project.run("wheel", VERSION, "compiled", "--interpreter", "host").code == 0

    def test_is_built_on_its_own_platform_with_a_tag_that_says_the_truth(self, project: SmallProject) -> None:
        (wheel,) = project.run("--json", "wheel", VERSION, "compiled").json["wheels"]
        assert "manylinux" in wheel["path"]
        with zipfile.ZipFile(wheel["path"]) as archive:
            tags = archive.read("compiled-3.0.dist-info/WHEEL").decode()
        assert "Tag: cp312-cp312-manylinux" in tags
        assert "-linux_" not in tags

    def test_needs_its_own_machine_elsewhere_and_may_be_skipped_there(self, project: SmallProject) -> None:
        for key in foreign_to(project):
            done = project.run("wheel", VERSION, "compiled", "--platform", key)
            assert done.code == 1
            assert f"needs a native {key} machine" in done.errors
            assert f"bundle wheel {VERSION} compiled --platform {key}" in done.errors
            assert f"packages.skip.compiled.{key}" in done.errors

    def test_is_not_even_tried_where_its_wheels_for_others_tell(self, world: World, tmp_path: Path) -> None:
        publish_source(world.registry, "told", 'raise SystemExit("nobody should build this")')
        world.registry.wheel("told", "1.0", tag="cp312-cp312-manylinux_2_17_s390x")
        project = project_of(world, tmp_path / "project", "told")
        key = foreign_to(project)[0]
        assert project.run("lock", VERSION, "--platform", key).code == 0
        done = project.run("wheel", VERSION, "told", "--platform", key)
        assert f"needs a native {key} machine" in done.errors
        assert "its wheels are for cp312 manylinux_2_17_s390x" in done.errors
        assert not list((project.output / "logs").glob("*/told-1.0.log"))

    def test_that_fails_here_says_that_it_was_only_tried(self, world: World, tmp_path: Path) -> None:
        publish_source(world.registry, "picky", 'raise SystemExit("only on that other system")')
        project = project_of(world, tmp_path / "project", "picky")
        key = foreign_to(project)[0]
        assert project.run("lock", VERSION, "--platform", key).code == 0
        done = project.run("wheel", VERSION, "picky", "--platform", key)
        assert done.code == 1
        assert f"needs a native {key} machine" in done.errors
        assert f"built here, on {project.machine.key}" in done.errors


class TestAWheelThatIsHandedOver:
    def test_serves_the_platform_whose_machine_built_it(self, project: SmallProject, tmp_path: Path) -> None:
        """The machine's own stands for the far one: its wheel goes through the folder as any other would."""
        key = project.machine.key
        (wheel,) = project.run("--json", "wheel", VERSION, "compiled").json["wheels"]
        folder = project.folder / "wheels"
        folder.mkdir()
        shutil.copy(wheel["path"], folder)
        assert project.run("lock", VERSION, "--check", "--platform", key).code == 1

        locked = project.run("--json", "lock", VERSION)

        assert {one["platform"] for one in locked.json["locks"] if one["status"] == "written"} == {key}
        table = {one["name"]: one["platforms"] for one in locked.json["coverage"][0]["packages"]}
        assert table["compiled"][key]["decision"] == "wheel"
        assert table["compiled"][key]["reason"].startswith(f"handed over: versions/{VERSION}/wheels/compiled-3.0")
        assert wheel["sha256"] in project.lock.read_text()
        built = project.build("--no-verify", "--no-archive")
        assert {one["name"]: one["decision"] for one in built["packages"]} == {"compiled": "wheel", "sourced": "source"}
        assert {one["name"]: one.get("isolation") for one in built["packages"]} == {
            "compiled": None,
            "sourced": "bubblewrap",
        }
        assert project.build("--no-verify", "--no-archive")["status"] == "unchanged"


class TestABuildOfAllPlatforms:
    def test_does_what_it_can_and_reports_the_rest_together(self, project: SmallProject) -> None:
        done = project.run("--json", "build", VERSION, "--platform", "all", "--no-verify", "--no-archive")
        assert [one["platform"] for one in done.json["bundles"]] == [project.machine.key]
        assert [one["platform"] for one in done.json["failed"]] == foreign_to(project)
        assert done.code == max(one["exitCode"] for one in done.json["failed"])
        for one in done.json["failed"]:
            assert one["what"] == f"2 problems prevent the build of {VERSION}-{one['platform']} here."
            assert any("No interpreter source has" in line for line in one["details"])
            assert any(f"needs a native {one['platform']} machine" in line for line in one["details"])
        again = project.run("--json", "build", VERSION, "--platform", "all", "--no-verify", "--no-archive")
        assert [one["status"] for one in again.json["bundles"]] == ["unchanged"]

    def test_is_of_the_versions_platforms_alone(self, project: SmallProject) -> None:
        path = project.folder / "config.json"
        value = {**json.loads(path.read_text()), "platforms": [project.machine.key]}
        path.write_text(json.dumps(value))
        done = project.run("--json", "build", VERSION, "--platform", "all", "--no-verify", "--no-archive")
        assert [one["platform"] for one in done.json["bundles"]] == [project.machine.key]
        refused = project.run("build", VERSION, "--platform", foreign_to(project)[0])
        assert refused.code == 2
        assert f"{VERSION} is not built for {foreign_to(project)[0]}" in refused.errors
