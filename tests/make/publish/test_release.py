"""Releases by real builds: what has changed is found out on a machine that has nothing of an earlier run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.published import PublishedEntry
from bundle.base.folders import remove_tree
from bundle.base.report import Reporter
from bundle.make.sources.wheel_cache import hand_over
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import VERSION, SmallProject, World, small_world
from tests.make.publish.images import pushed_base, skopeo

pytestmark = pytest.mark.real

OTHER = "3.12.1-other"

OPTIONS = ("--platform", "linux-x64", "--allow-substitute")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        make_wheel(world.registry.root / "bundle-toolchain", "bundle_toolchain", files={"bundle_tool.py": ""})
        yield world


@pytest.fixture(scope="module")
def locked(world: World, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project of two small versions with their locks; tests copy it."""
    root = tmp_path_factory.mktemp("locked") / "project"
    project = world.project(root, packages={"dependencies": ["hello"]})
    if project.machine.key != "linux-x64":
        pytest.skip("the test names this machine's platform")
    project.configure(OTHER, packages={"dependencies": ["native"]})
    assert project.run("lock", "--all", "--platform", "linux-x64").code == 0
    return project


@pytest.fixture
def project(locked: SmallProject, tmp_path: Path) -> SmallProject:
    shutil.copytree(locked.root, tmp_path / "project", symlinks=True)
    return replace(locked, root=tmp_path / "project")


@pytest.fixture
def remote(tmp_path: Path) -> str:
    return str(tmp_path / "remote")


def released(project: SmallProject, remote: str, *words: str, code: int = 0) -> dict[str, Any]:
    """Release, and return the report with the bundles by version."""
    done = project.run("--json", "release", *words, "--to", remote, *OPTIONS)
    assert done.code == code, done.errors
    report = done.json
    assert isinstance(report, dict)
    return {**report, "bundles": {one["version"]: one for one in report["bundles"]}}


def statuses(report: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {version: (one["status"], one["changed"]) for version, one in report["bundles"].items()}


def published(remote: str) -> dict[str, PublishedEntry]:
    catalogue, _ = open_writable(remote, Access(environ={}, reporter=Reporter())).catalogue()
    return {entry.version: entry for entry in catalogue.bundles}


def bare(project: SmallProject, folder: Path) -> SmallProject:
    """Return the project as another machine checks it out: without results, with an empty store."""
    for made in (project.output, project.root / "catalogue"):
        remove_tree(made)
    return replace(project, cache=folder / "empty")


def configure(project: SmallProject, version: str, **values: Any) -> None:
    path = project.root / "versions" / version / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_published_is_not_built_on_a_machine_that_has_nothing(
    project: SmallProject, remote: str, tmp_path: Path
) -> None:
    said = released(project, remote, "--dry-run")
    assert statuses(said) == {VERSION: ("new", []), OTHER: ("new", [])}
    assert not Path(remote).exists()
    assert not project.output.exists()
    first = released(project, remote)
    assert {one["published"]["status"] for one in first["bundles"].values()} == {"new"}
    before = (Path(remote) / "catalogue.json").read_bytes()

    other = bare(project, tmp_path)
    again = released(other, remote)
    assert statuses(again) == {VERSION: ("unchanged", []), OTHER: ("unchanged", [])}
    assert not list(other.output.glob("*.tar.zst"))
    assert not (other.cache / "layers").exists()
    assert (Path(remote) / "catalogue.json").read_bytes() == before
    shown = other.run("release", "--to", remote, *OPTIONS)
    assert shown.output == (
        f"{OTHER} for linux-x64: unchanged\n{VERSION} for linux-x64: unchanged\n"
        f"Published 0 of 2 bundles to {remote}, 0 bytes sent.\n"
    )


def test_what_has_changed_is_told_built_and_published_alone(project: SmallProject, remote: str, tmp_path: Path) -> None:
    released(project, remote)
    before = published(remote)
    other = bare(project, tmp_path)
    configure(other, OTHER, runtime={"environment": {"linux-x64": {"ANSWER": "42"}}})
    assert statuses(released(other, remote, "--dry-run")) == {
        VERSION: ("unchanged", []),
        OTHER: ("changed", ["configuration"]),
    }
    report = released(other, remote)
    assert report["bundles"][OTHER]["published"]["status"] == "replaced"
    assert not (other.output / VERSION).exists()
    after = published(remote)
    assert after[VERSION] == before[VERSION]
    assert after[OTHER].digest != before[OTHER].digest

    configure(other, OTHER, packages={"dependencies": ["native", "hello"]})
    assert other.run("lock", OTHER, "--platform", "linux-x64").code == 0
    assert statuses(released(other, remote, OTHER)) == {OTHER: ("changed", ["configuration", "lock"])}


def test_another_interpreter_and_other_rules_are_told(project: SmallProject, remote: str, tmp_path: Path) -> None:
    released(project, remote, VERSION)
    entry = published(remote)[VERSION]
    assert entry.inputs.keys() == {"configuration", "interpreter", "lock", "revisions"}
    # The remote as a machine with another Python, or another version of the program, would have left it.
    for name in ("interpreter", "revisions"):
        path = Path(remote) / "catalogue.json"
        text = path.read_text()
        path.write_text(text.replace(entry.inputs[name], "0" * 64))
        assert statuses(released(project, remote, VERSION, "--dry-run")) == {VERSION: ("changed", [name])}
        path.write_text(text)
    assert statuses(released(project, remote, VERSION)) == {VERSION: ("unchanged", [])}


def test_a_bundle_that_fails_keeps_no_other_from_being_published(
    project: SmallProject, remote: str, tmp_path: Path
) -> None:
    configure(project, OTHER, packages={"dependencies": ["hello"]})
    report = released(project, remote, code=1)
    assert statuses(report) == {VERSION: ("new", [])}
    (failure,) = report["failed"]
    assert (failure["version"], failure["exitCode"]) == (OTHER, 2)
    assert "stale" in failure["what"]
    assert published(remote).keys() == {VERSION}
    shown = project.run("release", "--to", remote, *OPTIONS)
    assert shown.code == 1
    assert f"{OTHER} for linux-x64: failed: " in shown.output
    assert "Published 0 of 2 bundles" in shown.output


def test_a_release_that_was_interrupted_goes_on(project: SmallProject, remote: str) -> None:
    assert project.run("build", VERSION, "--platform", "linux-x64").code == 0
    stamp = project.archive.stat().st_mtime_ns
    assert statuses(released(project, remote)) == {VERSION: ("new", []), OTHER: ("new", [])}
    assert project.archive.stat().st_mtime_ns == stamp
    assert published(remote).keys() == {VERSION, OTHER}


def test_native_wheels_of_another_machine_are_taken_in(world: World, tmp_path: Path, remote: str) -> None:
    """The machine's own wheel, under the tag and the key of another platform, stands for one that was built there."""
    project = world.project(tmp_path / "project", packages={"dependencies": ["compiled"]})
    assert project.run("lock", VERSION).code == 0
    handed = tmp_path / "handed"
    done = project.run("--json", "wheel", "--all", "--hand-over", str(handed))
    assert [one["package"] for one in done.json["wheels"]] == ["compiled"]
    (place,) = (path for path in handed.iterdir() if path.is_dir())
    assert json.loads((handed / f"{project.machine.key}.json").read_text())["wheels"][0]["package"] == "compiled"
    value = json.loads((place / "wheel.json").read_text())
    assert value["key"]["platform"] == project.machine.key
    assert (place / value["wheel"]).read_bytes() == Path(done.json["wheels"][0]["path"]).read_bytes()

    foreign = tmp_path / "compiled-3.0-cp312-cp312-win_amd64.whl"
    foreign.write_bytes((place / value["wheel"]).read_bytes())
    hand_over(foreign, {**value["key"], "platform": "windows-x64"}, "none", tmp_path / "from-windows")
    key = ("--platform", "windows-x64")
    assert "needs a native windows-x64 machine" in project.run("wheel", VERSION, "compiled", *key).errors
    # No interpreter for Windows is here, but its wheels are.
    refused = project.run(
        "--json", "release", VERSION, *key, "--to", remote, "--wheels", str(tmp_path / "from-windows")
    )
    assert refused.code == 1
    assert "needs a native" not in refused.output
    again = project.run("--json", "wheel", VERSION, "compiled", *key)
    assert again.code == 0, again.errors
    assert Path(again.json["wheels"][0]["path"]).name == foreign.name

    damaged = next((tmp_path / "from-windows").rglob("*.whl"))
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    refused = project.run("release", VERSION, *key, "--to", remote, "--wheels", str(tmp_path / "from-windows"))
    assert refused.code == 4


def test_the_installer_of_the_tool_is_published_with_its_bundle(
    project: SmallProject, remote: str, tmp_path: Path
) -> None:
    done = project.run("release", "--to", remote, *OPTIONS, "--installer")
    assert done.code == 2
    assert "asks for the package bundle-toolchain" in done.errors
    configure(
        project,
        OTHER,
        packages={"dependencies": ["bundle-toolchain"]},
        build={"archives": {"linux-x64": ["tar.zst", "tar.gz"]}},
    )
    assert project.run("lock", OTHER, "--platform", "linux-x64").code == 0
    released(project, remote, "--installer")
    script = (Path(remote) / "install.sh").read_text()
    assert f"# Installs {OTHER}," in script
    (archive,) = (Path(remote) / "archives").iterdir()
    assert archive.name in script

    other = bare(project, tmp_path)
    again = released(other, remote, "--installer", "--address", "https://cdn.example")
    assert statuses(again)[OTHER] == ("unchanged", [])
    assert (Path(remote) / "install.sh").read_text() == script
    (Path(remote) / "install.ps1").unlink()
    released(other, remote, "--installer")
    assert (Path(remote) / "install.sh").read_text() == script


def test_images_are_made_of_the_bundles_that_are_published(project: SmallProject, host: str, tmp_path: Path) -> None:
    base = f"{host}/team/base-of-releases:12"
    pinned = f"{base}@{pushed_base(base, tmp_path)}"
    remote = f"oci://{host}/team/releases"
    said = released(project, remote, "--base", base, "--dry-run")
    assert (said["bases"], said["images"]) == ({"linux-x64": pinned}, [])
    first = released(project, remote, "--base", base)
    assert [(one["version"], one["base"]) for one in first["images"]] == [(OTHER, pinned), (VERSION, pinned)]
    for one in first["images"]:
        name, _, digest = one["reference"].rpartition("@")
        assert name == f"{host}/team/releases:run-{one['version']}"
        assert skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/team/releases@{digest}")

    configure(project, OTHER, packages={"dependencies": ["hello"]})
    assert project.run("lock", OTHER, "--platform", "linux-x64").code == 0
    again = released(project, remote, "--base", base)
    assert statuses(again) == {VERSION: ("unchanged", []), OTHER: ("changed", ["configuration", "lock"])}
    assert [one["version"] for one in again["images"]] == [OTHER]
