"""Small projects that are built for real: a host's Python, a registry on loopback, packages of a few lines."""

from __future__ import annotations

import json
import os
import platform
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Protocol

import pytest

import bundle
from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.source import Offer, Request
from bundle.model.config.config import Interpreter
from bundle.model.platforms import Platform, platform_of
from tests.artifacts.wheelmaker import make_wheel
from tests.make.registry import Registry, serving
from tests.make.sdistmaker import IN_TREE, SETUPTOOLS, WRITER, make_sdist

VERSION = "3.12.1-small"

SOURCES = ("sourced", "compiled")
"""Packages of the small project that exist as source only."""

_NATIVE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", "", -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""

_HELLO = """
import sys

import native


def main():
    print("hello", native.answer(), sys.prefix, *sys.argv[1:])
"""

_SETUP = """
import os
from setuptools import Extension, setup
setup(name="compiled", version="3.0", ext_modules=[Extension("compiled", [os.path.abspath("compiled.c")])])
"""

_BACKEND = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write_wheel(folder, {"sourced.py": open("sourced.py").read()}, name="sourced", version="2.0")
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the command line that has ended."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.output)


@dataclass(frozen=True, kw_only=True)
class SmallProject:
    """A project with one small version, and the store that its builds use."""

    root: Path
    cache: Path
    registry: str
    """URL of the project's only registry."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables that its commands see besides this process's own."""
    prefix: tuple[str, ...] = ()
    """Program that starts its commands, such as one that limits them."""

    @property
    def machine(self) -> Platform:
        return this_machine()

    @property
    def folder(self) -> Path:
        """Where the version's configuration is."""
        return self.root / "versions" / VERSION

    @property
    def lock(self) -> Path:
        return self.folder / f"pylock.{self.machine.key}.toml"

    @property
    def output(self) -> Path:
        return self.root / "pydist"

    @property
    def tree(self) -> Path:
        """The bundle."""
        return self.output / VERSION / self.machine.key

    @property
    def archive(self) -> Path:
        return self.output / f"{VERSION}-{self.machine.key}.tar.zst"

    @property
    def catalogue(self) -> Path:
        return self.root / "catalogue" / "catalogue.json"

    def entries(self, catalogue: Path | None = None) -> dict[str, Any]:
        """Return what the catalogue holds, by version."""
        path = catalogue or self.catalogue
        if not path.exists():
            return {}
        return {one["version"]: one for one in json.loads(path.read_text(encoding="utf-8"))["bundles"]}

    def configure(self, version: str = VERSION, **values: Any) -> None:
        """Write a version's configuration; keys such as `build` replace the small one's."""
        folder = self.root / "versions" / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(values, indent=2), encoding="utf-8")

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the complete environment of this project's commands."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("BUNDLE_", "SOURCE_DATE"))}
        source = str(Path(bundle.__file__).parent.parent)
        return {**own, "PYTHONPATH": source, "BUNDLE_CACHE_DIR": str(self.cache), **self.environ, **(more or {})}

    def start(self, *arguments: str | Path, umask: int = -1, environ: Mapping[str, str] | None = None) -> Started:
        """Start a command of this project, in a process group of its own."""
        process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "bundle", "--project", self.root, *arguments],
            env=self.variables(environ),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=umask,
        )
        return Started(process)

    def run(self, *arguments: str | Path, umask: int = -1, environ: Mapping[str, str] | None = None) -> Run:
        """Run a command of this project to its end."""
        return self.start(*arguments, umask=umask, environ=environ).ended()

    def build(self, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        """Build the small version, and return what the command says of it."""
        done = self.run("--json", "build", VERSION, *arguments, **options)
        assert done.code == 0, done.errors
        (built,) = done.json["bundles"]
        assert isinstance(built, dict)
        return built


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    process: subprocess.Popen[bytes]

    def ended(self, timeout: float = 300) -> Run:
        """Wait for its end."""
        try:
            output, errors = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end(signal.SIGKILL)
            raise
        return Run(code=self.process.returncode, output=output.decode(), errors=errors.decode())

    def killed_after(self, seconds: float) -> bool:
        """Kill its whole process group after a while; False if it ended well before."""
        try:
            self.ended(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.communicate()
            return True
        return False

    def end(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


def this_machine() -> Platform:
    known = platform_of(platform.system(), platform.machine())
    if known is None:
        pytest.skip("this machine is none of the known platforms")
    return known


def required(reason: str) -> None:
    """Skip a test for want of something that a build machine has; there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def host_python() -> Offer:
    """Return the interpreter that the small projects are built with; without one the test is skipped."""
    machine = this_machine()
    request = Request(
        python="3.12.1", platform=machine, config=Interpreter(), machine=machine, environ=dict(os.environ)
    )
    answers = Host().offers(request)
    offer = next((answer for answer in answers if isinstance(answer, Offer)), None)
    if offer is None:
        required(f"no Python 3.12 of this machine can be made portable: {answers}")
    assert offer is not None
    return offer


@contextmanager
def small_registry(folder: Path, offer: Offer) -> Iterator[Registry]:
    """Serve the small project's packages while the block runs.

    Args:
        folder: gets the packages.
        offer: the interpreter that the native one is compiled for.
    """
    registry = Registry(folder)
    make_wheel(
        folder / "hello",
        "hello",
        files={"hello/__init__.py": _HELLO, "hello/umlaut-ü.txt": "ü\n"},
        dist_info={"entry_points.txt": "[console_scripts]\nhello = hello:main\n"},
        metadata="Requires-Dist: native>=1\n",
    )
    tag = f"cp312-cp312-manylinux_2_17_{platform.machine()}"
    make_wheel(folder / "native", "native", tag=tag, files={"native.so": compiled_module("native", offer, folder)})
    (folder / "sourced").mkdir()
    make_sdist(
        folder / "sourced",
        {"pyproject.toml": IN_TREE, "in_tree/backend.py": WRITER + dedent(_BACKEND), "sourced.py": "ANSWER = 42\n"},
        name="sourced",
        version="2.0",
    )
    (folder / "compiled").mkdir()
    source = _NATIVE.replace("NAME", "compiled").replace("42", "__LINE__")
    make_sdist(
        folder / "compiled",
        {"pyproject.toml": SETUPTOOLS, "setup.py": _SETUP, "compiled.c": source},
        name="compiled",
        version="3.0",
    )
    with serving(registry):
        yield registry


def compiled_module(name: str, offer: Offer, work: Path) -> bytes:
    """Return an extension module with a function `answer`."""
    source, target = work / f"{name}.c", work / f"{name}.so"
    source.write_text(_NATIVE.replace("NAME", name))
    include = Path(offer.location, "include", "python3.12")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", source, "-o", target], check=True)
    content = target.read_bytes()
    source.unlink()
    target.unlink()
    return content


def publish_source(registry: Registry, name: str, build: str) -> None:
    """Publish version 1.0 of a package that exists as source only, and tells without being run what it needs.

    Args:
        registry: gets it.
        name: its name.
        build: what its build backend does when it is to build a wheel, one statement.
    """
    folder = registry.root / name
    folder.mkdir(exist_ok=True)
    hook = f"def build_wheel(folder, config_settings=None, metadata_directory=None):\n    {build}\n"
    make_sdist(
        folder,
        {
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n",
            "pyproject.toml": IN_TREE,
            "in_tree/backend.py": WRITER + hook,
        },
        name=name,
    )


def fetch_setuptools(folder: Path) -> None:
    """Bring the one build requirement from the registry that this machine uses."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", folder, "setuptools==80.9.0"], check=True)


def small_project(root: Path, cache: Path, registry: str, **values: Any) -> SmallProject:
    """Make a project whose only version has a bit of everything.

    Args:
        root: the project's folder.
        cache: the store.
        registry: its URL.
        values: replace parts of the version's configuration.
    """
    project = SmallProject(root=root, cache=cache, registry=registry)
    project.root.mkdir(parents=True)
    shared = {
        "registries": {"default": registry},
        "interpreter": {"sources": ["host"], "substitute": "patch"},
        "packages": {"resolution": {"allowSourceList": list(SOURCES)}},
    }
    (root / "shared-config.json").write_text(json.dumps(shared, indent=2), encoding="utf-8")
    own = project.folder / "own"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "tool").write_text('#!/bin/sh\necho "tool $1"\n')
    (own / "bin" / "tool").chmod(0o755)
    (own / "bin" / "tool-link").symlink_to("tool")
    (own / "site-packages").mkdir()
    (own / "site-packages" / "own_module.py").write_text("ANSWER = 42\n")
    packages = {
        "dependencies": ["hello", *SOURCES],
        "copyFiles": [{"from": "own/bin", "to": "bin"}, {"from": "own/site-packages", "to": "{site-packages}"}],
    }
    project.configure(**{"packages": packages, **values})
    return project


@dataclass(frozen=True, kw_only=True)
class World:
    """What the small projects of one test module share."""

    registry: Registry
    store: Path
    """A store that is shared with the other test modules: what one of them made, the others find."""

    def project(self, root: Path, *, cache: Path | None = None, **values: Any) -> SmallProject:
        """Make a small project, with a store of its own if `cache` says so."""
        return small_project(root, cache or self.store, self.registry.url, **values)


class Folders(Protocol):
    """Makes folders, as pytest's `TempPathFactory` does."""

    def getbasetemp(self) -> Path:
        """Return the folder of all."""

    def mktemp(self, basename: str) -> Path:
        """Return a new folder."""


@contextmanager
def small_world(factory: Folders) -> Iterator[World]:
    """Serve a registry while the block runs."""
    store = factory.getbasetemp() / "small-store"
    setuptools = factory.getbasetemp() / "setuptools"
    folder = factory.mktemp("registry")
    if not setuptools.exists():
        fetch_setuptools(setuptools)
    (folder / "setuptools").symlink_to(setuptools)
    with small_registry(folder, host_python()) as registry:
        yield World(registry=registry, store=store)


Row = tuple[str, int, bytes | str]


def rows_of(root: Path) -> dict[str, Row]:
    """Return kind, mode and content of everything below a folder."""
    rows: dict[str, Row] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            rows[name] = ("link", 0, str(path.readlink()))
        elif path.is_dir():
            rows[name] = ("folder", mode, "")
        else:
            rows[name] = ("file", mode, path.read_bytes())
    return rows


def leftovers(*folders: Path) -> list[Path]:
    """Return what a killed run left and nobody swept away: staging, scratch, half downloads."""
    marks = (".staging", ".replaced", ".part")
    # Unlike Path.rglob, os.walk passes over a folder that a child of the killed run removes meanwhile.
    walked = (found for folder in folders for found in os.walk(folder))
    return [Path(root, name) for root, inner, files in walked for name in (*inner, *files) if name.endswith(marks)]


def output_of(
    command: Sequence[str | Path], *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a program of a bundle, with an empty environment as on a machine that has nothing, and return its output."""
    done = subprocess.run(
        command,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
