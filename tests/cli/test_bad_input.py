from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.files import sha256_of
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import (
    VERSION,
    Run,
    SmallProject,
    World,
    leftovers,
    publish_source,
    required,
    rows_of,
    small_world,
)

pytestmark = pytest.mark.real

SMALLEST: dict[str, Any] = {"dependencies": ["hello"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project whose bundle is built and catalogued."""
    project = world.project(tmp_path_factory.mktemp("built") / "project", packages=SMALLEST)
    project.build()
    return project


@pytest.fixture
def project(built: SmallProject, tmp_path: Path) -> SmallProject:
    """A copy of it that a test may spoil: what stands there must survive whatever goes wrong."""
    root = tmp_path / "project"
    shutil.copytree(built.root, root, symlinks=True, ignore=shutil.ignore_patterns("pydist"))
    shutil.copytree(built.output, root / "pydist", symlinks=True, copy_function=os.link)
    return replace(built, root=root)


def refused(project: SmallProject, code: int, *words: str, command: tuple[str | Path, ...] = ("build", VERSION)) -> Run:
    """Run a command that must fail with a code, tell the words, and leave what was built as it is."""
    before = results(project)
    done = project.run("--json", *command)
    told(done, code, *words)
    assert results(project) == before
    assert leftovers(project.root) == []
    return done


def told(done: Run, code: int, *words: str) -> None:
    """Check that a failure is told to people on stderr, and to programs as one document on stdout."""
    assert done.code == code, done.errors
    assert "Traceback" not in done.errors
    assert "error: " in done.errors
    assert "to do: " in done.errors
    document = done.json
    (error,) = document.get("failed", [document])
    assert error["exitCode"] == code
    assert error["remedy"]
    said = json.dumps(error, ensure_ascii=False)
    for word in words:
        assert word in done.errors
        assert word in said.replace('\\"', '"')


def results(project: SmallProject) -> dict[str, Any]:
    found: dict[str, Any] = {f"tree/{name}": row for name, row in rows_of(project.tree).items()}
    found |= {path.name: sha256_of(path) for path in project.output.glob("*.tar.zst")}
    return found | {"catalogue": project.catalogue.read_bytes() if project.catalogue.exists() else None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["config.json", "does not exist"]),
        ("", ["config.json:1"]),
        ('{"packages": {"dependencies": [}}', ["config.json:1:32", "not JSON"]),
        ("[]", ["config.json"]),
        ('{"packages": {"dependancies": []}}', ["dependancies", "dependencies"]),
        ('{"platforms": ["linux-x46"]}', ["linux-x46", "linux-x64"]),
        ('{"packages": {"skip": {"numpy": {"linux": "why"}}}}', ["linux", "linux-x64"]),
        ('{"packages": {"dependencies": ["numpy=>1"]}}', ["numpy=>1"]),
        ('{"build": {"timeout": "long"}}', ["timeout", "long"]),
        ('{"registries": {"default": "${BUNDLE_NO_SUCH_VARIABLE}"}}', ["BUNDLE_NO_SUCH_VARIABLE"]),
    ],
    ids=["missing", "empty", "broken", "a list", "key", "platform", "platform key", "requirement", "type", "unset"],
)
def test_a_wrong_configuration_is_refused_with_file_and_remedy(
    project: SmallProject, text: str | None, words: list[str]
) -> None:
    path = project.folder / "config.json"
    path.unlink() if text is None else path.write_text(text)
    refused(project, 2, f"versions/{VERSION}/config.json", *words)


def test_a_mistake_in_the_shared_configuration_is_named_with_its_line(project: SmallProject) -> None:
    (project.root / "shared-config.json").write_text('{\n  "packages": {"dependencies": "hello"}\n}')
    refused(project, 2, "shared-config.json:2", "dependencies")


def test_many_mistakes_in_a_configuration_are_told_at_once(project: SmallProject) -> None:
    project.configure(platforms=["linux-x46"], packages={"noDep": []}, build={"timeout": -1})
    refused(project, 2, "linux-x46", "noDep", "timeout")


def test_configuration_mistakes_of_different_kinds_are_told_at_once(project: SmallProject) -> None:
    project.configure(platforms=["linux-x46"], packages={"dependencies": ["a b c"]})
    refused(project, 2, "linux-x46", "a b c")


def test_an_unknown_version_is_refused_with_the_nearest_names(project: SmallProject) -> None:
    refused(project, 2, "3.12.1-smal'", VERSION, command=("build", "3.12.1-smal"))


def test_an_unknown_platform_is_refused_with_the_known_ones(project: SmallProject) -> None:
    refused(project, 2, "linux-x46", "linux-x64", command=("build", VERSION, "--platform", "linux-x46"))


def test_a_project_without_shared_configuration_is_refused(project: SmallProject) -> None:
    (project.root / "shared-config.json").unlink()
    refused(project, 2, "shared-config.json")


def test_global_flags_are_understood_before_and_behind_a_command(project: SmallProject) -> None:
    before = project.run("--json", "--quiet", "config", VERSION)
    behind = project.run("config", VERSION, "--json", "--quiet")
    assert (behind.code, behind.json, behind.errors) == (0, before.json, "")


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (("biuld", VERSION), "build"),
        (("build",), "--all"),
        (("build", VERSION, "--lokced"), "--locked"),
        (("build", VERSION, "--output", "shared-config.json"), "shared-config.json"),
    ],
    ids=["command", "no version", "option", "a file for a folder"],
)
def test_a_wrong_command_line_is_refused(project: SmallProject, command: tuple[str | Path, ...], word: str) -> None:
    refused(project, 2, word, command=command)


def test_a_package_that_no_registry_has_is_named(project: SmallProject) -> None:
    project.configure(packages={"dependencies": ["hello", "hallo"]})
    refused(project, 2, "hallo")


def test_a_package_version_that_no_registry_has_is_named_with_those_that_exist(project: SmallProject) -> None:
    project.configure(packages={"dependencies": ["hello==9.9"]})
    refused(project, 2, "hello", "9.9", "1.0")


def test_a_package_without_a_fitting_wheel_is_named_with_the_wheels_that_exist(
    project: SmallProject, world: World
) -> None:
    make_wheel(world.registry.root / "foreign", "foreign", tag="cp312-cp312-win_arm64")
    project.configure(packages={"dependencies": ["foreign", "sourced"], "resolution": {"allowSourceList": []}})
    configuration = project.root / "shared-config.json"
    configuration.write_text(configuration.read_text().replace('"sourced",', ""))
    refused(project, 1, "foreign", "sourced", project.machine.key, "win_arm64", "packages.skip")


def test_a_package_is_never_called_missing_when_the_registry_does_not_answer(project: SmallProject) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
        project.configure(registries={"default": url}, packages={"dependencies": ["hello"]})
        refused(project, 3, "127.0.0.1", "hello")


def test_a_failed_source_build_shows_the_end_of_its_log(project: SmallProject, world: World) -> None:
    publish_source(world.registry, "failing", "print('the last words'); raise SystemExit(3)")
    project.configure(packages={"dependencies": ["failing"], "resolution": {"allowSourceList": ["failing"]}})
    refused(project, 1, "failing 1.0", "the last words", "failing-1.0.log")
    (log,) = project.output.glob("logs/*/failing-1.0.log")
    assert "the last words" in log.read_text()


def test_a_source_build_that_hangs_is_stopped(project: SmallProject, world: World) -> None:
    publish_source(world.registry, "sleeping", "print('good night', flush=True); time.sleep(600)")
    packages = {"dependencies": ["sleeping"], "resolution": {"allowSourceList": ["sleeping"]}}
    project.configure(packages=packages, build={"timeout": 3})
    refused(project, 1, "sleeping 1.0", "3 s", "build.timeout", "good night")


@pytest.mark.parametrize("path", ["../../../../outside.txt", "/tmp/outside.txt", "{data}/scripts/../../outside.txt"])
def test_a_wheel_that_writes_outside_the_bundle_is_refused(
    project: SmallProject, world: World, path: str, tmp_path: Path
) -> None:
    wheel = make_wheel(world.registry.root / "hostile", "hostile", files={path: "!"})
    project.configure(packages={"dependencies": ["hostile"]})
    cautious = replace(project, cache=tmp_path / "cache")
    shutil.copytree(world.store, cautious.cache, symlinks=True, copy_function=os.link)
    refused(cautious, 4, wheel.name, "outside.txt")
    assert not list(tmp_path.rglob("outside.txt"))
    assert not Path("/tmp/outside.txt").exists()


def test_a_wheel_with_other_bytes_than_locked_is_refused(project: SmallProject, world: World, tmp_path: Path) -> None:
    wheel = make_wheel(world.registry.root / "changing", "changing", files={"changing.py": "1"})
    project.configure(packages={"dependencies": ["changing"]})
    assert project.run("lock", VERSION).code == 0
    make_wheel(world.registry.root / "changing", "changing", files={"changing.py": "2"})
    refused(replace(project, cache=tmp_path / "cache"), 4, wheel.name)
    assert not list((tmp_path / "cache").rglob(f"{wheel.name}*"))


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"from": "../../shared-config.json", "to": "bin/"}, "shared-config.json"),
        ({"from": "own/out", "to": "bin/"}, "own/out"),
        ({"from": "own/linked", "to": "bin"}, "own/linked"),
        ({"from": "own/bin", "to": "../bin"}, "../bin"),
        ({"from": "own/bin", "to": "{site-packages}/../../../../bin"}, "{site-packages}/../"),
        ({"from": "own/bin", "to": "/bin"}, "/bin"),
        ({"from": "own/nothing", "to": "bin"}, "own/nothing"),
    ],
    ids=["dots", "link", "link inside", "target", "below site-packages", "absolute", "missing"],
)
def test_copied_files_that_climb_out_or_are_missing_are_refused(
    project: SmallProject, rule: dict[str, str], word: str
) -> None:
    (project.folder / "own" / "out").symlink_to("../../../shared-config.json")
    (project.folder / "own" / "linked").mkdir()
    (project.folder / "own" / "linked" / "out").symlink_to(project.root / "shared-config.json")
    project.configure(packages={**SMALLEST, "copyFiles": [rule]})
    refused(project, 2, "copyFiles", word)


def test_a_lock_edited_by_hand_is_refused(project: SmallProject) -> None:
    edited = project.lock.read_text().replace("no", "yes", 1).replace('version = "1.0"', 'version = "1.1"')
    project.lock.write_text(edited)
    refused(project, 4, project.lock.name, "bundle lock")
    assert project.lock.read_text() == edited


def test_a_lock_that_is_not_toml_is_refused(project: SmallProject) -> None:
    project.lock.write_text("= broken")
    refused(project, 2, project.lock.name)


def test_a_stale_lock_is_refused_with_locked(project: SmallProject) -> None:
    project.configure(packages={"dependencies": ["native"]})
    refused(project, 2, project.lock.name, "stale", "bundle lock", command=("build", VERSION, "--locked"))


def test_an_offline_build_lists_the_files_that_are_missing_from_the_cache(
    project: SmallProject, tmp_path: Path
) -> None:
    shutil.rmtree(project.output / ".state")
    empty = replace(project, cache=tmp_path / "empty")
    refused(empty, 3, "hello-1.0", "native-1.0", "--offline", command=("build", VERSION, "--offline"))


def test_ctrl_c_ends_a_build_that_waits_for_a_silent_registry(project: SmallProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        project.configure(registries={"default": url}, packages=SMALLEST)
        before = results(project)
        running = project.start("--json", "build", VERSION)
        connection, _ = silent.accept()
        with connection:
            os.kill(running.process.pid, signal.SIGINT)
            told(running.ended(timeout=60), 130, "Interrupted")
    assert results(project) == before
    assert leftovers(project.root) == []


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of a few bytes."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        required(f"no small disk can be mounted: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_gets_no_half_bundle(project: SmallProject, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 20 * 2**20) as disk:
        (disk / "mine.txt").write_text("mine")
        refused(project, 1, "No space left", str(disk), command=("build", VERSION, "--output", disk))
        assert leftovers(disk) == []
        assert (disk / "mine.txt").read_text() == "mine"
