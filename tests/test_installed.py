from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from tests.foreign.bundles import found
from tests.foreign.systems import PLACE, only_the_c_library, run_elsewhere, system
from tests.make.projects import host_python, this_machine

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[1]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

SERIES = "3.12"
"""The Python of the bundles."""

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "private-shop"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["click"]

[project.scripts]
shop = "private_shop:main"
"""

PROGRAM = """\
import click
import flask
import numpy


@click.command()
def main():
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: str(numpy.arange(4).sum()))
    click.echo("sold " + app.test_client().get("/").text)
"""


def uv(*arguments: str | Path) -> None:
    command: list[str | Path] = [find_uv_bin(), "--quiet", *arguments]
    subprocess.run(command, check=True)


def python_of(series: str) -> Path | None:
    """Return a Python of this machine that is no virtual environment."""
    command = [find_uv_bin(), "python", "find", "--system", "--no-project", "--no-python-downloads", series]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next(iter(sorted(root.glob(f"versions/{series}.*/bin/python{series}"))), None)


@dataclass(frozen=True)
class Tool:
    """The command, installed from its wheel into an environment that has nothing else."""

    command: Path
    environ: Mapping[str, str]

    def run(self, *arguments: str, cwd: Path) -> Any:
        command: list[str | Path] = [self.command, "--json", *arguments]
        done = subprocess.run(command, cwd=cwd, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_has_the_templates_of_the_page(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {Path(name).name for name in archive.namelist() if "/page/templates/" in name}
    own = ROOT / "src" / "bundle" / "artifacts" / "documents" / "page" / "templates"
    assert held == {path.name for path in own.iterdir()}
    assert {"base.html", "page.css", "page.js"} <= held


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "store"


@pytest.fixture(params=PYTHONS)
def tool(request: pytest.FixtureRequest, wheel: Path, cache: Path, tmp_path: Path) -> Tool:
    python = python_of(request.param)
    if python is None:
        pytest.skip(f"this machine has no Python {request.param}")
    environment = tmp_path / "environment"
    uv("venv", "--no-project", "--python", python, environment)
    uv("pip", "install", "--python", environment / "bin" / "python", wheel)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BUNDLE_"))}
    return Tool(environment / "bin" / "bundle", {**environ, "BUNDLE_CACHE_DIR": str(cache)})


def test_the_installed_tool_needs_no_project(tool: Tool, tmp_path: Path) -> None:
    host_python()
    place = tmp_path / "shop"
    (place / "private" / "src" / "private_shop").mkdir(parents=True)
    (place / "private" / "pyproject.toml").write_text(PYPROJECT)
    (place / "private" / "src" / "private_shop" / "__init__.py").write_text(PROGRAM)
    (place / "requirements.txt").write_text("# the shop\nflask==3.1.2\nnumpy<2.4\n-c limits.txt\n")
    (place / "limits.txt").write_text("werkzeug<4\n")
    words = ("build", "-r", "requirements.txt", "--with", "private", "--python", SERIES, "--interpreter", "host")
    (built,) = tool.run(*words, cwd=place)["bundles"]
    assert re.fullmatch(r"3\.12\.\d+-private-shop", built["version"])
    assert (place / f"pylock.private-shop-{this_machine().key}.toml").is_file()
    assert tool.run(*words, "--locked", cwd=place)["bundles"][0]["status"] == "unchanged"

    moved = tmp_path / "elsewhere"
    moved.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", built["archive"]["path"], "-C", moved], check=True)
    started = [moved / "python" / "bin" / "shop"]
    told = subprocess.run(started, env={}, capture_output=True, text=True, check=True)
    assert told.stdout == "sold 6\n"

    quick = ("--interpreter", "host", "--no-verify", "--no-archive")
    (own,) = tool.run("build", "-r", "private/pyproject.toml", "--python", SERIES, *quick, cwd=place)["bundles"]
    assert {"click", "private-shop"} <= {one["name"] for one in own["packages"]}
    uv("lock", "--project", place / "private")
    tool.run("build", "-r", "private/uv.lock", "--python", SERIES, *quick, cwd=place)
    same = ("--from", "requirements.txt", "--with", "private", "--python", SERIES, "--interpreter", "host")
    version = tool.run("init", "kept", *same, cwd=place)["version"]
    assert tool.run("check", cwd=place / "kept")["versions"][0]["problems"] == []
    (kept,) = tool.run("build", version, *quick, cwd=place / "kept")["bundles"]
    assert [one["name"] for one in kept["packages"]] == [one["name"] for one in built["packages"]]

    # The archive's interpreter is this machine's, and so are its demands on the C library.
    release = platform.freedesktop_os_release()
    suite = found(release.get("VERSION_CODENAME") if release["ID"] == "debian" else None, "this system is no Debian")
    root = only_the_c_library(system(suite, "libc6"), this_machine(), tmp_path / "root")
    bare = run_elsewhere(root, moved / "python", [f"{PLACE}/bin/python", f"{PLACE}/bin/shop"])
    assert (bare.errors, bare.output) == ("", "sold 6\n")
