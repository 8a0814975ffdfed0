from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.staging import host_mark
from tests.make.killing import PACKAGES, Killing
from tests.make.projects import VERSION, Run, SmallProject, World, leftovers, publish_source, small_world
from tests.make.sdistmaker import IN_TREE, WRITER, make_sdist

pytestmark = pytest.mark.real

KILLS = 20


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


@pytest.fixture(scope="module")
def killing(world: World, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    return Killing(world, tmp_path_factory.mktemp("killed"))


def test_a_command_killed_at_any_moment_is_ended_well_by_the_next(killing: Killing) -> None:
    wrong = [str(kill) for kill in killing.kills(KILLS) if kill.wrong]
    assert not wrong, "\n".join(wrong)


def test_what_killed_builds_leave_anywhere_is_swept_away(killing: Killing, world: World, tmp_path: Path) -> None:
    project = world.project(tmp_path / "project", cache=tmp_path / "cache", packages=PACKAGES)
    _copy_evidence(killing.project.cache, project.cache)
    folders = {path.parent for path in killing.project.root.rglob("*") if path.is_file()}
    folders = {folder for folder in folders if not folder.is_relative_to(killing.project.tree)}
    folders = {folder for folder in folders if not {"own", "logs"} & set(folder.parts)} - {killing.project.root}
    assert killing.project.catalogue.parent in folders
    for folder in folders:
        here = project.root / folder.relative_to(killing.project.root)
        here.mkdir(parents=True, exist_ok=True)
        dead = f".anything.4194304-{host_mark()}{'0' * 16}.staging"
        (here / dead).write_text("half")
    assert project.run("build", VERSION).code == 0
    assert not leftovers(project.root, project.cache)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "sigterm", "sighup"])
def test_an_interrupted_build_says_so_and_takes_its_children_along(
    killing: Killing, world: World, tmp_path: Path, number: signal.Signals
) -> None:
    publish_source(world.registry, "hanging", "print('it hangs', flush=True); time.sleep(600)")
    packages = {"dependencies": ["hanging"], "resolution": {"allowSourceList": ["hanging"]}}
    project = world.project(tmp_path / "project", packages=packages)
    ended = _interrupted(project, number, "build", log="hanging-1.0.log")
    assert ended.json["exitCode"] == 130
    assert not project.tree.exists()
    assert leftovers(project.root) == []
    assert project.run("cache", "verify").code == 0


def test_an_interrupted_lock_ends_the_build_that_the_solver_waits_for(world: World, tmp_path: Path) -> None:
    folder = world.registry.root / "asked"
    folder.mkdir()
    hook = "print('it hangs', flush=True)\ntime.sleep(600)\n"
    make_sdist(folder, {"pyproject.toml": IN_TREE, "in_tree/backend.py": WRITER + hook}, name="asked")
    packages = {"dependencies": ["asked"], "resolution": {"allowSourceList": ["asked"]}}
    project = world.project(tmp_path / "project", packages=packages)
    _interrupted(project, signal.SIGINT, "lock", log="asked-1.0-requirements.log")
    assert not project.lock.exists()
    assert leftovers(project.root) == []


def _interrupted(project: SmallProject, number: signal.Signals, command: str, *, log: str) -> Run:
    """Interrupt a command while a source build hangs, and see that it ends with all of its children."""
    running = project.start("--json", command, VERSION)
    while not any("it hangs" in path.read_text() for path in project.output.glob(f"logs/*/{log}")):
        assert running.process.poll() is None, running.ended().errors
        time.sleep(0.02)
    children = _children(running.process.pid)
    assert children
    os.kill(running.process.pid, number)
    ended = running.ended(timeout=30)
    assert ended.code == 130
    assert "Interrupted" in ended.errors
    assert "Traceback" not in ended.errors
    assert [child for child in children if _lives(child)] == []
    return ended


def _copy_evidence(source: Path, target: Path) -> None:
    shutil.copytree(source / "verified", target / "verified")


def _children(pid: int) -> list[int]:
    """Return all descendants of a process."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found, rest = [], [pid]
    while rest:
        below = parents.get(rest.pop(), [])
        found += below
        rest += below
    return found


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
