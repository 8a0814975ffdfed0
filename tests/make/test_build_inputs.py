from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import Problems
from bundle.base.files import sha256_of
from bundle.make.build_inputs import check_inputs
from bundle.model.config.project import Project
from tests.artifacts.wheelmaker import make_wheel
from tests.model.configs import write_project

VERSION = "3.12.10"


def told(root: Path, own: Mapping[str, Any]) -> list[str]:
    project = Project(root)
    if not project.versions():
        write_project(root, {}, **{VERSION: {}})
    configuration = {"platforms": ["linux-x64"], **own}
    (project.folder(VERSION) / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
    problems = Problems()
    check_inputs(project, project.load(VERSION, {}), problems)
    return [error.what for error in problems.errors]


def test_what_is_there_and_whole_is_no_problem(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{VERSION: {}})
    folder = tmp_path / "versions" / VERSION
    wheel = make_wheel(folder / "wheels", "demo", files={"demo.py": ""})
    archive = folder / "python.tar.gz"
    archive.write_bytes(b"an archive")
    (folder / "compat").mkdir()
    rule = {"linux-x64": {"reason": "r", "environment": {"INCLUDE": "{versionRoot}/compat"}}}
    own = {
        "packages": {"dependencies": ["demo", f"demo @ {wheel.as_uri()}"], "buildWheel": {"kalign": rule}},
        "registries": {"default": folder.as_uri()},
        "interpreter": {
            "sources": ["archive"],
            "archives": {"linux-x64": {"path": "python.tar.gz", "sha256": sha256_of(archive)}},
        },
    }
    assert told(tmp_path, own) == []


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"packages": {"dependencies": ["demo @ file:///no/such/demo-1.0.tar.gz"]}}, "does not exist on this machine"),
        ({"packages": {"dependencies": ["demo @ git+file:///no/such@v1"]}}, "does not exist on this machine"),
        ({"registries": {"default": "file:///no/such/index"}}, "The registry file:///no/such/index does not exist"),
        (
            {"packages": {"buildWheel": {"a": {"*": {"reason": "r", "configSettings": {"x": "{versionRoot}/none"}}}}}},
            "{versionRoot}/none, which does not exist",
        ),
        (
            {"interpreter": {"sources": ["archive"], "archives": {"linux-x64": {"path": "a", "sha256": "0" * 64}}}},
            "interpreter.archives.linux-x64: there is no file a",
        ),
        (
            {
                "interpreter": {
                    "sources": ["archive"],
                    "archives": {"linux-x64": {"path": "config.json", "sha256": "0" * 64}},
                }
            },
            "config.json has another sha256",
        ),
    ],
)
def test_what_a_build_would_miss_is_a_problem(tmp_path: Path, own: dict[str, Any], problem: str) -> None:
    (found,) = told(tmp_path, own)
    assert problem in found


def test_a_broken_local_wheel_is_a_problem_with_its_path(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{VERSION: {}})
    wheel = make_wheel(tmp_path / "versions" / VERSION / "wheels", "demo", files={"demo.py": "x" * 1000})
    wheel.write_bytes(wheel.read_bytes()[:300])
    (found,) = told(tmp_path, {})
    assert f"versions/{VERSION}/wheels/{wheel.name}" in found


def test_a_local_wheel_of_another_name_is_a_problem(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "demo", files={"demo.py": ""})
    wheel.rename(wheel.with_name(wheel.name.replace("demo", "other")))
    (found,) = told(tmp_path, {})
    assert "wheels/other-1.0-py3-none-any.whl" in found


def test_a_catalogue_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "catalogue.json").write_text("{")
    (found,) = told(tmp_path, {})
    assert "catalogue.json" in found
