"""Variables that change how a Python works: none of the user's reaches a bundle, or an interpreter that builds one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.files import sha256_of
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import VERSION, SmallProject, World, publish_source, small_world, this_machine

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parents[2] / "scripts" / "bundle"

VARIABLES: Mapping[str, str] = {
    "PYTHONPATH": "{here}",
    "PYTHONHOME": "{here}",
    "PYTHONSTARTUP": "{here}/sitecustomize.py",
    "PYTHONUSERBASE": "{here}",
    "PYTHONPYCACHEPREFIX": "{here}/caches",
    "PYTHONPLATLIBDIR": "nothing",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "7",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "utf-16",
    "PYTHONUTF8": "0",
    "PYTHONINTMAXSTRDIGITS": "640",
    "PYTHONDEVMODE": "1",
    "PYTHONCASEOK": "1",
    "PYTHONNODEBUGRANGES": "1",
    "PYTHONBREAKPOINT": "os.abort",
    "PYTHONEXECUTABLE": "/bin/false",
    "__PYVENV_LAUNCHER__": "/bin/false",
}

OURS = {"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
"""Those that a source build gets of this tool."""

WATCHING = """
import os
found = [name for name in os.environ if name.startswith(("PYTHON", "__PYVENV"))]
if found:
    raise RuntimeError(f"{found} came through")
"""

HOOK = """
    found = {name: os.environ[name] for name in os.environ if name.startswith(("PYTHON", "__PYVENV"))}
    return write_wheel(folder, {"told.py": f"VARIABLES = {sorted(found.items())}"}, name="told")
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        scripts = {"entry_points.txt": "[console_scripts]\nwatching = watching:main\n"}
        source = f"{WATCHING}\ndef main():\n    print('watched')\n"
        make_wheel(world.registry.root / "watching", "watching", files={"watching.py": source}, dist_info=scripts)
        publish_source(world.registry, "told", HOOK.strip())
        yield world


@pytest.fixture(scope="module")
def plain(world: World, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project that was built without such variables."""
    packages = {"dependencies": ["watching", "told"], "resolution": {"allowSourceList": ["told"]}}
    folder = tmp_path_factory.mktemp("variables")
    values: dict[str, Any] = {"packages": packages, "platforms": [this_machine().key], "build": {"bytecode": True}}
    project = world.project(folder / "project", **values)
    project.build()
    return project


def results(project: SmallProject) -> list[str]:
    return [sha256_of(path) for path in (project.archive, project.lock, project.catalogue)]


def test_the_bytes_are_the_same_and_nothing_comes_through(plain: SmallProject, tmp_path: Path) -> None:
    made = results(plain)
    for path in (plain.archive, plain.lock, plain.catalogue):
        path.unlink()
    here = tmp_path / "here"
    here.mkdir()
    for name in ("sitecustomize", "usercustomize", "click", "hashlib", "json", "encodings", "bundle", "watching"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit(77)")
    project = replace(plain, cache=tmp_path / "cache")
    variables = {name: value.format(here=here) for name, value in VARIABLES.items()}
    done = subprocess.run(
        [SCRIPT, "--project", project.root, "build", VERSION],
        env={**project.variables(), **variables},
        cwd=here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    assert not (here / "caches").exists()
    assert results(project) == made
    site = project.tree / project.machine.site_packages("3.12.1")
    assert (site / "told.py").read_text() == f"VARIABLES = {sorted(OURS.items())}"
