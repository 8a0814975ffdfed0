from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.make.inputs.inputs import read_inputs
from bundle.make.inputs.pyproject import Parts
from bundle.make.new_project import WORKFLOW, start_project
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS

VERSION = "3.12.1-app"


def test_a_project_is_complete_and_valid(tmp_path: Path) -> None:
    root = tmp_path / "new"
    written = start_project(root, VERSION, None)
    assert {path.relative_to(root).as_posix() for path in written} == {
        *("shared-config.json", f"versions/{VERSION}/config.json", "README.md", ".gitignore", WORKFLOW)
    }
    assert Project(root).load(VERSION, {}).config.platforms == tuple(PLATFORMS)
    assert len((root / "README.md").read_text().splitlines()) == 10
    workflow = (root / WORKFLOW).read_text()
    assert all(f"platform: {key}," in workflow for key in PLATFORMS)
    assert "bundle build --all --platform ${{ matrix.platform }}" in workflow


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("pydist/\nmine")
    start_project(tmp_path, VERSION, None)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text().splitlines() == ["pydist/", "mine", ".bundle-cache/", "*.log"]
    with pytest.raises(ConfigError, match="exists already"):
        start_project(tmp_path, "3.12.1-other", None)


def test_requirements_are_taken_over_with_their_paths(tmp_path: Path) -> None:
    source, root = tmp_path / "a b", tmp_path / "project"
    (source / "own").mkdir(parents=True)
    (source / "own" / "pyproject.toml").write_text('[project]\nname = "own"\n')
    (source / "wheels").mkdir()
    (source / "more").mkdir()
    (source / "more" / "more.txt").write_text("-e ../own\n")
    (source / "requirements.txt").write_text("flask>=3  # web\n-r more/more.txt\n-f wheels\n-c limits.txt\n")
    (source / "limits.txt").write_text("numpy<2\n")
    start_project(root, VERSION, read_inputs([source / "requirements.txt"], [], Parts()))
    config = Project(root).load(VERSION, {}).config
    packages = config.packages_for("linux-x64")
    assert packages.folders == {"own": source / "own"}
    assert packages.constraints == ("numpy<2",)
    value = json.loads((root / "versions" / VERSION / "config.json").read_text())
    assert value["packages"]["dependencies"] == ["flask>=3", "own @ ../../../a%20b/own"]
    assert value["packages"]["wheels"] == ["../../../a b/wheels"]
