from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from uv import find_uv_bin

import bundle
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from tests.make.lockable import found, pins
from tests.make.projects import Run, host_python, this_machine
from tests.make.registry import Registry, serving
from tests.make.sdistmaker import IN_TREE, WRITER

pytestmark = pytest.mark.real

BACKEND = f"""{WRITER}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    files = {{"own.py": open("own.py").read()}}
    return write_wheel(folder, files, name="own", version="1.0")
"""

PROJECT = """
[project]
name = "own"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["low>=1"]

[project.optional-dependencies]
more = ["high"]

[dependency-groups]
dev = ["tool"]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(Registry(tmp_path_factory.mktemp("registry"))) as running:
        for name, version in (("low", "1.0"), ("low", "2.0"), ("high", "1.0"), ("tool", "1.0")):
            running.wheel(name, version)
        yield running


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "store"


@dataclass(frozen=True)
class Folder:
    """A folder with requirements, and no project."""

    root: Path
    cache: Path
    registry: Registry

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str) -> Run:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "BUNDLE_"))}
        environ |= {
            "PYTHONPATH": str(Path(bundle.__file__).parent.parent),
            "BUNDLE_CACHE_DIR": str(self.cache),
            "UV_DEFAULT_INDEX": self.registry.url,
        }
        command = [sys.executable, "-m", "bundle", *arguments]
        done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True, check=False)
        return Run(code=done.returncode, output=done.stdout, errors=done.stderr)

    def build(self, *arguments: str) -> dict[str, Any]:
        quick = ("--interpreter", "host", "--no-verify", "--no-archive")
        done = self.run("--json", "build", *arguments, "--python", "3.12", *quick)
        assert done.code == 0, done.errors
        (built,) = done.json["bundles"]
        assert isinstance(built, dict)
        return built

    def lock(self, name: str) -> Lock:
        return read_lock(self.root / f"pylock.{name}-{this_machine().key}.toml")


@pytest.fixture
def folder(tmp_path: Path, registry: Registry, cache: Path) -> Folder:
    host_python()
    folder = Folder(tmp_path / "a folder", cache, registry)
    folder.write("own/pyproject.toml", IN_TREE + PROJECT)
    folder.write("own/in_tree/backend.py", BACKEND)
    folder.write("own/own.py", "ANSWER = 42\n")
    return folder


def answer_of(built: dict[str, Any]) -> str:
    command = [f"{built['path']}/bin/python3", "-c", "import own, low; print(own.ANSWER)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_requirements_become_a_bundle_and_a_lock_that_is_used_again(folder: Folder, registry: Registry) -> None:
    folder.write("requirements.txt", "# ours\n-e ./own\n-c limits.txt\n")
    folder.write("limits.txt", "low<2\nhigh==7\n")
    built = folder.build("-r", "requirements.txt")
    offer = host_python()
    assert (built["version"], built["status"]) == (f"{offer.python}-requirements", "built")
    assert pins(folder.lock("requirements")) == {"own": "1.0", "low": "1.0"}
    assert found(folder.lock("requirements"), "own").folder == "own"
    assert answer_of(built) == "42\n"
    assert folder.build("-r", "requirements.txt")["status"] == "unchanged"

    # Code of one's own changes without a new lock; what it asks for does not.
    before = (folder.root / f"pylock.requirements-{this_machine().key}.toml").read_bytes()
    registry.requests.clear()
    folder.write("own/own.py", "ANSWER = 43\n")
    assert answer_of(folder.build("-r", "requirements.txt", "--locked")) == "43\n"
    assert registry.asked == set()
    assert (folder.root / f"pylock.requirements-{this_machine().key}.toml").read_bytes() == before
    folder.write("own/pyproject.toml", IN_TREE + PROJECT.replace('"low>=1"', '"low>=1", "high"'))
    folder.write("limits.txt", "low<2\n")
    folder.build("-r", "requirements.txt")
    assert pins(folder.lock("requirements")) == {"own": "1.0", "low": "1.0", "high": "1.0"}


def test_hashes_decide_which_file_is_taken(folder: Folder, registry: Registry) -> None:
    from bundle.base.files import sha256_of

    good = sha256_of(registry.root / "low" / "low-1.0-py3-none-any.whl")
    folder.write("requirements.txt", f"low --hash=sha256:{good}\n")
    folder.build("-r", "requirements.txt")
    assert pins(folder.lock("requirements")) == {"low": "1.0"}
    folder.write("requirements.txt", f"low==2.0 --hash=sha256:{good}\n")
    done = folder.run("build", "-r", "requirements.txt", "--python", "3.12", "--interpreter", "host")
    assert (done.code, "none of its files has a hash of packages.hashes" in done.errors) == (1, True)
    assert "`bundle init DIR --from requirements.txt --python 3.12` makes one of this" in done.errors


def test_a_project_with_extras_and_groups(folder: Folder) -> None:
    built = folder.build("-r", "own/pyproject.toml", "--extra", "more", "--group", "dev", "--name", "app", "-o", "out")
    path = folder.root / "own" / f"pylock.app-{this_machine().key}.toml"
    assert pins(read_lock(path)) == {"own": "1.0", "low": "2.0", "high": "1.0", "tool": "1.0"}
    assert built["path"].startswith(str(folder.root / "out"))


def test_a_lock_of_uv_is_taken_as_it_is(folder: Folder, registry: Registry) -> None:
    own = folder.root / "own"
    command = [find_uv_bin(), "lock", "--no-config", "--default-index", registry.url, "--resolution", "lowest"]
    subprocess.run([*command, "--python", sys.executable], cwd=own, check=True, capture_output=True)
    folder.build("-r", "own/uv.lock", "--group", "dev")
    lock = read_lock(own / f"pylock.own-{this_machine().key}.toml")
    assert pins(lock) == {"own": "1.0", "low": "1.0", "tool": "1.0"}
    assert found(lock, "low").required_by == ("",) or found(lock, "low").required_by == ("own",)
    assert folder.build("-r", "own/uv.lock", "--group", "dev", "--locked")["status"] == "unchanged"


def test_a_lock_of_the_standard_is_taken_as_it_is(folder: Folder, registry: Registry) -> None:
    from bundle.base.files import sha256_of

    wheel = registry.root / "low" / "low-1.0-py3-none-any.whl"
    low = {
        "name": "low",
        "version": "1.0",
        "wheels": [{"name": wheel.name, "url": "https://gone.example/low", "hashes": {"sha256": sha256_of(wheel)}}],
    }
    other = {"name": "high", "version": "1.0", "marker": "sys_platform == 'none'", "sdist": {**low["wheels"][0]}}  # type: ignore[dict-item]
    other["sdist"] = {**other["sdist"], "name": "high-1.0.tar.gz"}  # type: ignore[dict-item]
    document = {"lock-version": "1.0", "created-by": "other", "packages": [low, other]}
    folder.write("pylock.toml", tomli_w.dumps(document))
    folder.build("-r", "pylock.toml")
    assert pins(folder.lock("pylock")) == {"low": "1.0"}
    low["wheels"][0]["hashes"]["sha256"] = "0" * 64  # type: ignore[index]
    folder.write("pylock.toml", tomli_w.dumps(document))
    done = folder.run("build", "-r", "pylock.toml", "--python", "3.12", "--interpreter", "host")
    assert (done.code, "with another hash than in pylock.toml" in done.errors) == (4, True)


def test_what_does_not_go_together_is_told(folder: Folder) -> None:
    folder.write("requirements.txt", "low\nflask=1\n")
    for words, told in {
        ("build", "-r", "own/pyproject.toml"): "No Python is given.",
        ("build", "-r", "requirements.txt", "--python", "3.12"): "requirements.txt:2: flask=1 is not a requirement",
        ("build", "-r", "own/pyproject.toml", "--python", "banana"): "--python banana is no Python X.Y or X.Y.Z.",
        ("build", "3.12.1", "-r", "requirements.txt"): "3.12.1 belongs to a project",
        ("build", "--python", "3.12"): "--python is for a build without a project.",
        ("build", "3.12.1"): "`bundle init` starts a project; `bundle build -r",
    }.items():
        done = folder.run(*words)
        assert (done.code, told in done.errors) == (2, True), done.errors


def test_init_makes_a_project_that_builds_the_same(folder: Folder) -> None:
    folder.write("requirements.txt", "-e ./own\n")
    words = ("--from", "requirements.txt", "--python", "3.12", "--interpreter", "host")
    done = folder.run("--json", "init", "kept", *words)
    assert done.code == 0, done.errors
    version = done.json["version"]
    config = folder.root / "kept" / "versions" / version / "config.json"
    assert json.loads(config.read_text())["packages"]["dependencies"] == ["own @ ../../../own"]
    quick = ("--interpreter", "host", "--no-verify", "--no-archive")
    done = folder.run("--json", "--project", "kept", "build", version, *quick)
    assert done.code == 0, done.errors
    assert answer_of(done.json["bundles"][0]) == "42\n"
    assert folder.run("--project", "kept", "fetch", version).code == 0
    assert folder.run("init", "kept", "--python", "3.12.1").code == 2
