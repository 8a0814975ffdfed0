from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from tests.artifacts.remotes.stores import SECRET, address
from tests.artifacts.wheelmaker import make_wheel
from tests.foreign.pythons import foreign_python
from tests.make.projects import VERSION, SmallProject, World, leftovers, small_world, this_machine
from tests.run.cluster.clusters import Grid, grid

pytestmark = pytest.mark.real

FOREIGN = "windows-x64"


@dataclass(frozen=True)
class Two:
    """A project of two versions, for two platforms, and the cluster that builds it."""

    project: SmallProject
    grid: Grid
    options: tuple[str, ...]

    def build(self, *options: str) -> tuple[int, str, str]:
        """Build both on the cluster."""
        every = ("--json", "build", "--all", "--platform", "all", "--scheduler", self.grid.address)
        done = self.project.run(*every, *self.options, *options)
        return done.code, done.output, done.errors


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


def prepared(world: World, root: Path, cache: Path) -> tuple[SmallProject, tuple[str, ...]]:
    project = world.project(root, cache=cache, platforms=[this_machine().key])
    foreign = foreign_python(FOREIGN)
    packages = {"dependencies": ["plain"]}
    project.configure(f"{foreign.python}-foreign", platforms=[FOREIGN], packages=packages)
    return project, ("--interpreter", foreign.option)


@pytest.fixture(scope="module")
def two(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("cluster")
    make_wheel(world.registry.root / "plain", "plain", files={"plain.py": "A = 1\n"})
    project, options = prepared(world, folder / "project", folder / "cache")
    with grid(folder, 2) as started:
        yield Two(project, started, options)


class TestABuildOnWorkers:
    def test_gives_the_archives_of_a_build_here(self, two: Two, world: World, tmp_path: Path) -> None:
        code, output, errors = two.build()
        assert code == 0, errors
        bundles = {one["platform"]: one for one in json.loads(output)["bundles"]}
        assert {one["status"] for one in bundles.values()} == {"built"}
        here, options = prepared(world, tmp_path / "here", tmp_path / "cache")
        local = here.run("--json", "build", "--all", "--platform", "all", *options)
        assert local.code == 0, local.errors
        built = {one["platform"]: one for one in local.json["bundles"]}
        assert {key: one["archive"]["sha256"] for key, one in bundles.items()} == {
            key: one["archive"]["sha256"] for key, one in built.items()
        }
        for one in bundles.values():
            assert sha256_of(Path(one["archive"]["path"])) == one["archive"]["sha256"]
        assert {one: entry["digest"] for one, entry in two.project.entries().items()} == {
            one: entry["digest"] for one, entry in here.entries().items()
        }

    def test_leaves_a_bundle_as_a_build_here_does(self, two: Two) -> None:
        assert two.build()[0] == 0
        assert two.project.run("catalogue", "verify").code == 0
        assert two.project.run("verify", VERSION, "--run").code == 0
        workers = [two.grid.folder / name for name in ("worker-1", "worker-2")]
        assert leftovers(two.project.root, *(folder / "cache" for folder in workers)) == []
        assert [path for folder in workers for path in folder.rglob("*attempt-*")] == []
        assert not (two.project.output / ".state" / "fetched").exists() or not list(
            (two.project.output / ".state" / "fetched").iterdir()
        )

    def test_is_unchanged_the_next_time_on_workers_and_here(self, two: Two) -> None:
        assert two.build()[0] == 0
        _, output, _ = two.build()
        assert {one["status"] for one in json.loads(output)["bundles"]} == {"unchanged"}
        assert two.project.build(*two.options)["status"] == "unchanged"

    def test_shows_what_workers_say(self, two: Two) -> None:
        _, _, errors = two.build("--output", str(two.project.root / "other"))
        assert f"[{VERSION}-{this_machine().key} worker-" in errors
        assert (two.project.root / "other" / "catalogue.json").is_file()

    def test_that_fails_there_gives_its_error_here(self, two: Two, world: World, tmp_path: Path) -> None:
        scripts = {"entry_points.txt": "[console_scripts]\nbroken = broken:main\n"}
        make_wheel(world.registry.root / "broken", "broken", files={"broken.py": ""}, dist_info=scripts)
        packages = {"dependencies": ["broken"]}
        broken = world.project(tmp_path / "broken", platforms=[this_machine().key], packages=packages)
        done = broken.run("--json", "build", VERSION, "--scheduler", two.grid.address)
        assert done.code == 5, done.errors
        (failed,) = done.json["failed"]
        assert "cannot import name 'main'" in failed["what"] + str(failed["details"])
        assert not broken.archive.exists()


def test_a_scheduler_that_is_not_there_is_told(two: Two, world: World, tmp_path: Path) -> None:
    project = world.project(tmp_path / "other")
    done = project.run("build", VERSION, "--scheduler", "tcp://127.0.0.1:1")
    assert done.code == 3
    assert "no Dask scheduler at tcp://127.0.0.1:1" in done.errors


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_results_come_back_through_a_remote(kind: str, world: World, tmp_path: Path) -> None:
    project = world.project(tmp_path / "project", platforms=[this_machine().key])
    (tmp_path / "remote").mkdir()
    with address(kind, tmp_path / "remote") as url, grid(tmp_path) as started:
        worker = started.add("worker", environ={"BUNDLE_CACHE_DIR": str(world.store)})
        done = project.run("--json", "build", VERSION, "--scheduler", started.address, "--results-to", url)
        blobs = {one.name: one.size for one in open_writable(url, Access(environ={}, reporter=Reporter())).stored()}
    assert done.code == 0, done.errors
    (bundle,) = done.json["bundles"]
    assert blobs[bundle["archive"]["sha256"]] == bundle["archive"]["size"]
    assert sha256_of(Path(bundle["archive"]["path"])) == bundle["archive"]["sha256"]
    assert SECRET not in done.output + done.errors + "".join([*worker.lines, *started.scheduler.lines])
    assert project.run("catalogue", "verify").code == 0


def test_results_that_workers_cannot_send_fail_the_build(world: World, tmp_path: Path) -> None:
    project = world.project(tmp_path / "project", platforms=[this_machine().key])
    with grid(tmp_path) as started:
        started.add("worker", environ={"BUNDLE_CACHE_DIR": str(world.store), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        through = ("--scheduler", started.address, "--results-to", "s3://bucket/results")
        done = project.run("--json", "build", VERSION, *through)
    assert done.code == 3, done.errors
    assert "s3://bucket/results" in done.json["failed"][0]["what"]
    assert not project.archive.exists()
