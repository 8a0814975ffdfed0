from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import is_valid_pylock_path
from uv import find_uv_bin

from bundle.artifacts.store.layers import Layer
from bundle.base.errors import IntegrityError
from bundle.make.package_set import united
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import (
    VERSION,
    SmallProject,
    host_python,
    output_of,
    publish_source,
    small_project,
)
from tests.make.registry import Registry, serving

_SETS = {
    "old": {"dependencies": ["top-old", "shared", "sourced"]},
    "new": {"dependencies": ["top-new", "shared", "sourced"]},
}

_SCRIPT = "import leaf\n\ndef main():\n    print(leaf.VERSION)\n"


def carried(name: str, digest: str) -> Layer:
    return Layer(digest=digest, kind="wheel", name=name, version="1", size=0, entries=(), about={"carried": name})


def test_a_wheel_of_several_sets_is_carried_once() -> None:
    one, other = carried("a.whl", "1"), carried("b.whl", "2")
    assert united([one, other, carried("a.whl", "1")]) == [one, other]


def test_different_wheels_of_one_name_are_refused() -> None:
    with pytest.raises(IntegrityError, match=r"different wheels named a\.whl") as refused:
        united([carried("a.whl", "1"), carried("a.whl", "2")])
    assert "--upgrade a.whl" in str(refused.value.remedy)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallProject, dict[str, Any]]]:
    """A project with two sets that want different versions of `leaf`, and nothing of no set; and its build."""
    host_python()
    folder = tmp_path_factory.mktemp("registry")
    for version in ("1.0", "2.0"):
        make_wheel(folder / "leaf", "leaf", version, files={"leaf.py": f"VERSION = {version!r}\n"})
    script = "[console_scripts]\ntop = top:main\n"
    for name, requires in (("top-old", "leaf<2"), ("top-new", "leaf>=2")):
        make_wheel(
            folder / name,
            name,
            files={"top.py": _SCRIPT},
            dist_info={"entry_points.txt": script},
            metadata=f"Requires-Dist: {requires}\n",
        )
    make_wheel(folder / "shared", "shared", files={"shared.py": ""})
    registry = Registry(folder)
    publish_source(registry, "sourced", 'return write_wheel(folder, {"sourced.py": ""}, name="sourced", version="1.0")')
    with serving(registry):
        root = tmp_path_factory.mktemp("sets") / "project"
        values: dict[str, Any] = {"packages": {"sets": _SETS}, "build": {"layout": "wheelhouse"}}
        project = small_project(root, tmp_path_factory.mktemp("store"), registry.url, **values)
        yield project, project.build()


@pytest.fixture
def project(made: tuple[SmallProject, dict[str, Any]]) -> SmallProject:
    return made[0]


@pytest.fixture
def built(made: tuple[SmallProject, dict[str, Any]]) -> dict[str, Any]:
    return made[1]


@pytest.mark.real
class TestBuilt:
    def test_each_set_has_a_lock_and_each_wheel_is_there_once(self, project: SmallProject) -> None:
        key = project.machine.key
        locks = {path.name for path in project.folder.glob("*.toml")}
        assert locks == {f"pylock.{key}.toml", f"pylock.{key}-old.toml", f"pylock.{key}-new.toml"}
        assert all(is_valid_pylock_path(project.folder / name) for name in locks)
        held = sorted(path.name for path in (project.tree / "packages").iterdir())
        assert held == [
            "leaf-1.0-py3-none-any.whl",
            "leaf-2.0-py3-none-any.whl",
            "pylock.new.toml",
            "pylock.old.toml",
            "pylock.toml",
            "shared-1.0-py3-none-any.whl",
            "sourced-1.0-py3-none-any.whl",
            "top_new-1.0-py3-none-any.whl",
            "top_old-1.0-py3-none-any.whl",
        ]
        manifest = json.loads((project.tree / "bundle.json").read_text())
        assert manifest["packages"] == []
        found = {
            name: [f"{package['name']} {package['version']}" for package in one["packages"]]
            for name, one in manifest["sets"].items()
        }
        assert found == {
            "old": ["leaf 1.0", "shared 1.0", "sourced 1.0", "top-old 1.0"],
            "new": ["leaf 2.0", "shared 1.0", "sourced 1.0", "top-new 1.0"],
        }
        assert set(project.entries()[VERSION]["sets"]) == {"old", "new"}

    @pytest.mark.parametrize(("name", "version"), [("old", "1.0"), ("new", "2.0")])
    def test_a_set_installs_offline(self, project: SmallProject, tmp_path: Path, name: str, version: str) -> None:
        environment = tmp_path / "environment"
        output_of([project.tree / "bin" / "python", "-m", "venv", environment])
        python = environment / "bin" / "python"
        empty = {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_NO_CONFIG": "1"}
        lock = project.tree / "packages" / f"pylock.{name}.toml"
        output_of([find_uv_bin(), "pip", "install", "--offline", "--python", python, "-r", lock], environ=empty)
        assert output_of([environment / "bin" / "top"]) == f"{version}\n"
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
        output_of([*pip, "uninstall", "--yes", f"top-{name}", "leaf"])
        output_of([*pip, "install", "--no-index", "--find-links", lock.parent, f"top-{name}"])
        assert output_of([environment / "bin" / "top"]) == f"{version}\n"

    def test_every_set_is_installed_and_verified(self, built: dict[str, Any]) -> None:
        report = built["verification"]
        assert report["ok"]
        assert set(report["unseen"]) == {"relocation"}
        named = {(one.get("set"), Path(one["file"]).parent.name) for one in report["findings"] if one["file"]}
        assert {("new", "leaf-2.0.dist-info"), ("old", "leaf-1.0.dist-info"), ("new", "shared-1.0.dist-info")} <= named
        assert ("old", "shared-1.0.dist-info") not in named

    def test_a_change_in_one_set_makes_its_lock_stale_and_the_bundle_new(self, project: SmallProject) -> None:
        assert project.build()["status"] == "unchanged"
        checked = project.run("--json", "lock", VERSION, "--check", "--platform", project.machine.key)
        assert [(one.get("set"), one["state"]) for one in checked.json["locks"]] == [
            (None, "fresh"),
            ("new", "fresh"),
            ("old", "fresh"),
        ]
        before = (project.folder / f"pylock.{project.machine.key}-new.toml").read_bytes()
        changed = {**_SETS, "old": {"dependencies": ["top-old"]}}
        project.configure(packages={"sets": changed}, build={"layout": "wheelhouse"})
        try:
            checked = project.run("--json", "lock", VERSION, "--check", "--platform", project.machine.key)
            assert [one["state"] for one in checked.json["locks"]] == ["fresh", "fresh", "stale"]
            assert project.build("--no-verify")["status"] == "built"
            assert (project.folder / f"pylock.{project.machine.key}-new.toml").read_bytes() == before
        finally:
            project.configure(packages={"sets": _SETS}, build={"layout": "wheelhouse"})
            project.build()

    def test_tree_why_and_fetch_know_the_sets(self, project: SmallProject) -> None:
        trees = project.run("--json", "tree", VERSION).json["trees"]
        assert [(one.get("set"), one["roots"]) for one in trees] == [
            (None, []),
            ("new", ["shared", "sourced", "top-new"]),
            ("old", ["shared", "sourced", "top-old"]),
        ]
        reasons = project.run("--json", "why", VERSION, "leaf", "--platform", project.machine.key).json["platforms"]
        assert [(one.get("set"), one["version"]) for one in reasons] == [(None, None), ("new", "2.0"), ("old", "1.0")]
        assert reasons[1]["chains"][0]["requirement"] == "top-new"
        assert "config.json:" in reasons[1]["chains"][0]["place"]
        fetched = project.run("--json", "fetch", VERSION).json["fetched"]
        assert [one.get("set") for one in fetched] == [None, "new", "old"]
        assert (project.output / "wheelhouse" / "leaf-1.0-py3-none-any.whl").is_file()

    def test_the_locks_name_their_sets(self, project: SmallProject) -> None:
        lock = project.folder / f"pylock.{project.machine.key}-old.toml"
        assert tomllib.loads(lock.read_text())["tool"]["bundle"]["set"] == "old"
        bare = tomllib.loads(project.lock.read_text())
        assert "set" not in bare["tool"]["bundle"]
