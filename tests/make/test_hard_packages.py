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


def test_they_build_at_the_first_try_without_an_exception(tmp_path: Path) -> None:
    python = host_python().python
    project = SmallProject(root=tmp_path / "project", cache=tmp_path / "cache", registry="")
    project.root.mkdir()
    (project.root / "shared-config.json").write_text("{}")
    project.configure(
        f"{python}-hard",
        interpreter={"sources": ["host"]},
        packages={"dependencies": [f"{name}=={version}" for name, version in PACKAGES.items()]},
    )
    done = project.start("build", f"{python}-hard", "--no-archive").ended(timeout=1200)
    assert done.code == 0, done.errors
    warnings = [line for line in done.errors.splitlines() if line.startswith("warning:")]
    # What the machine's own Python needs is no fault of a package.
    assert [line for line in warnings if "was taken from the build machine" not in line] == []
    manifest = json.loads((project.output / f"{python}-hard" / this_machine().key / "bundle.json").read_bytes())
    assert manifest["accepted"] == []
