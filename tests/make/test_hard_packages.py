"""Packages whose verification has to judge: circular modules, optional libraries, data of other machines, scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.make.projects import SmallProject, host_python, this_machine

pytestmark = pytest.mark.real

PACKAGES = {
    "awscli": "1.46.3",
    "cryptography": "50.0.2",
    "debugpy": "1.8.22",
    "jupyter": "1.1.1",
    "matplotlib": "3.11.2",
    "mypy": "2.4.1",
    "numba": "0.68.1",
    "polars": "2.1.0",
    "pydantic": "2.14.3",
    "scipy": "1.18.1",
}
"""`benchmarks/hard_packages.py` takes the newest."""


STACK = {
    "h5py": "3.16.0",
    "matplotlib": "3.11.2",
    "numba": "0.68.1",
    "scipy": "1.18.1",
    "tensorflow-cpu": "2.20.0",
    "zarr": "3.4.2",
}


def warnings_of(tmp_path: Path, packages: dict[str, str]) -> list[str]:
    """Build packages without one exception, and return the warnings."""
    python = host_python().python
    version = f"{python}-hard"
    project = SmallProject(root=tmp_path / "project", cache=tmp_path / "cache", registry="")
    project.root.mkdir()
    (project.root / "shared-config.json").write_text("{}")
    project.configure(
        version,
        interpreter={"sources": ["host"]},
        packages={"dependencies": [f"{name}=={packages[name]}" for name in packages]},
    )
    done = project.start("build", version, "--no-archive").ended(timeout=2400)
    assert done.code == 0, done.errors
    manifest = json.loads((project.output / version / this_machine().key / "bundle.json").read_bytes())
    assert manifest["accepted"] == []
    warnings = [line for line in done.errors.splitlines() if line.startswith("warning:")]
    # What the machine's own Python needs is no fault of a package.
    return [line for line in warnings if "was taken from the build machine" not in line]


def test_they_build_at_the_first_try_without_an_exception(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, PACKAGES) == []


def test_a_scientific_stack_builds_at_the_first_try(tmp_path: Path) -> None:
    """Its only warning is that the program tensorboard needs an older setuptools."""
    (warning,) = warnings_of(tmp_path, {**STACK, "setuptools": "84.2.1"})
    assert "bin/tensorboard: stops with an import error. setuptools has no pkg_resources from version 82" in warning
