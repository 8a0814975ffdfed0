"""Bundles for the platforms that this machine is not, assembled here from real interpreters."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bundle.base.files import sha256_of
from bundle.model.platforms import PLATFORMS, Platform
from tests.artifacts.wheelmaker import make_wheel
from tests.foreign.pythons import PREPARATIONS, foreign_python
from tests.make.projects import SmallProject, this_machine
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

_TOOL = {
    "tool/__init__.py": "import sys\n\n\ndef main():\n    print('tool', *sys.argv[1:])\n",
    "{data}/scripts/tool-helper.py": "#!python\nimport tool\ntool.main()\n",
    "{data}/data/share/tool/settings.txt": "x\n",
    "{data}/headers/tool.h": "#define TOOL 1\n",
}
_ENTRY_POINTS = "[console_scripts]\ntool = tool:main\n[gui_scripts]\ntool-window = tool:main\n"


@dataclass(frozen=True)
class Assembled:
    """A bundle for another platform."""

    platform: Platform
    python: str
    root: Path

    @property
    def manifest(self) -> Any:
        return json.loads((self.root / "bundle.json").read_bytes())

    @property
    def paths(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallProject]:
    """A project with a version for each foreign platform, all built at once with one command."""
    folder = tmp_path_factory.mktemp("foreign builds")
    registry = Registry(folder / "registry")
    make_wheel(folder / "registry" / "tool", "tool", files=_TOOL, dist_info={"entry_points.txt": _ENTRY_POINTS})
    with serving(registry):
        project = SmallProject(root=folder / "project", cache=folder / "cache", registry=registry.url)
        shared = {
            "registries": {"default": registry.url},
            "packages": {"dependencies": ["tool"]},
            "build": {"layout": "both", "bytecode": True},
        }
        project.root.mkdir()
        (project.root / "shared-config.json").write_text(json.dumps(shared))
        versions: dict[str, list[str]] = {}
        for key in PREPARATIONS:
            if key != this_machine().key:
                versions.setdefault(foreign_python(key).python, []).append(key)
        for version, keys in versions.items():
            project.configure(version, platforms=keys)
        options = [part for key in PREPARATIONS for part in ("--interpreter", foreign_python(key).option)]
        done = project.run("--json", "build", "--all", "--platform", "all", "--no-verify", "--no-archive", *options)
        assert done.code == 0, done.errors
        assert {one["platform"]: one["status"] for one in done.json["bundles"]} == dict.fromkeys(
            (key for keys in versions.values() for key in keys), "built"
        )
        yield project


@pytest.fixture(params=PREPARATIONS)
def bundle(request: pytest.FixtureRequest, project: SmallProject) -> Assembled:
    platform = PLATFORMS[request.param]
    if platform == this_machine():
        pytest.skip("this machine is no foreign platform to itself")
    python = foreign_python(platform.key).python
    return Assembled(platform, python, project.output / python / platform.key)


def test_packages_scripts_data_and_headers_are_where_the_platform_has_them(bundle: Assembled) -> None:
    site = bundle.platform.site_packages(bundle.python)
    if bundle.platform.is_windows:
        scripts = {"Scripts/tool.exe", "Scripts/tool-window.exe", "Scripts/tool-helper.py", "Scripts/tool-helper.exe"}
        header = "Include/tool/tool.h"
    else:
        scripts = {"bin/tool", "bin/tool-window", "bin/tool-helper.py"}
        header = f"include/{Path(bundle.platform.executable(bundle.python)).name}/tool/tool.h"
    wanted = {f"{site}/tool/__init__.py", "share/tool/settings.txt", header, *scripts}
    assert wanted <= bundle.paths


def test_scripts_name_no_python_but_the_one_beside_them(bundle: Assembled, project: SmallProject) -> None:
    for path in (bundle.root / bundle.platform.scripts).iterdir():
        if "tool" not in path.name:
            continue
        content = path.read_bytes()
        assert str(project.root).encode() not in content
        if path.suffix == ".exe":
            program = b"pythonw.exe" if "window" in path.name else b"python.exe"
            assert b"#!<launcher_dir>\\..\\" + program + b" -s\n" in content
        elif not bundle.platform.is_windows:
            assert content.startswith(b"#!/bin/sh\n")


def test_no_two_names_differ_by_case_alone_and_windows_has_no_links(bundle: Assembled) -> None:
    if bundle.platform.system == "linux":
        return
    assert len({path.casefold() for path in bundle.paths}) == len(bundle.paths)
    links = [path for path in bundle.root.rglob("*") if path.is_symlink()]
    assert not bundle.platform.is_windows or not links


def test_the_manifest_says_who_compiled_and_every_module_is_compiled(bundle: Assembled) -> None:
    assert bundle.manifest["python"]["actual"] == bundle.python
    assert bundle.manifest["python"]["source"] == "archive"
    said = bundle.manifest["bytecode"]
    short = bundle.python.rpartition(".")[0]
    pyc = (
        f"{bundle.platform.site_packages(bundle.python)}/tool/__pycache__/__init__.cpython-{short.replace('.', '')}.pyc"
    )
    if said.startswith("left out: "):
        assert said == f"left out: no CPython {short} on this machine"
        assert not [path for path in bundle.paths if path.endswith(".pyc")]
    else:
        assert said.startswith(f"compiled by {short}.")
        assert pyc in bundle.paths


def test_the_wheels_lie_beside_a_lock_that_names_them_by_relative_paths(bundle: Assembled) -> None:
    lock = tomllib.loads((bundle.root / "packages" / "pylock.toml").read_text(encoding="utf-8"))
    ((wheel,),) = (package["wheels"] for package in lock["packages"])
    assert wheel["path"] == "tool-1.0-py3-none-any.whl"
    assert wheel["hashes"]["sha256"] == sha256_of(bundle.root / "packages" / wheel["path"])


def test_archives_in_the_configuration_do_what_the_option_does(project: SmallProject) -> None:
    key = next(key for key in PREPARATIONS if key != this_machine().key)
    prepared = foreign_python(key)
    version = f"{prepared.python}-configured"
    project.configure(
        version, platforms=[key], interpreter={"sources": ["archive"], "archives": {key: prepared.config}}
    )
    done = project.run("--json", "build", version, "--platform", key, "--no-verify", "--no-archive")
    assert done.code == 0, done.errors
    (built,) = done.json["bundles"]
    first = json.loads((project.output / prepared.python / key / "bundle.json").read_bytes())
    second = json.loads((Path(built["path"]) / "bundle.json").read_bytes())
    assert second["layers"] == first["layers"]
