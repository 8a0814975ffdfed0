from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.config import Config
from bundle.model.config.project import Project
from bundle.model.locks.local_wheels import best_versions, local_wheels, wheels_for
from bundle.model.locks.lock import input_checksum

VERSION = "3.12.10"
ARM = "demo-1.0-cp312-cp312-manylinux_2_17_aarch64.whl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "versions" / VERSION / "wheels").mkdir(parents=True)
    (tmp_path / "shared-config.json").write_text("{}")
    return tmp_path


def config(root: Path, *wheels: str) -> Config:
    value: dict[str, Any] = {"packages": {"wheels": list(wheels)}} if wheels else {}
    (root / "versions" / VERSION / "config.json").write_text(json.dumps(value))
    return Project(root).load(VERSION, {}).config


def put(root: Path, path: str, content: str = "wheel") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def names(root: Path, *wheels: str) -> list[str]:
    return [wheel.shown for wheel in local_wheels(config(root, *wheels))]


def test_the_folders_of_the_version_and_of_the_project_need_not_be_named(root: Path) -> None:
    put(root, f"versions/{VERSION}/wheels/{ARM}")
    put(root, "wheels/other-1.0-py3-none-any.whl")
    put(root, "wheels/README.md")
    assert names(root) == [f"versions/{VERSION}/wheels/{ARM}", "wheels/other-1.0-py3-none-any.whl"]


def test_files_folders_and_globs_are_relative_to_the_file_that_names_them(root: Path) -> None:
    put(root, f"versions/{VERSION}/one/{ARM}")
    put(root, f"versions/{VERSION}/more/a-1.0-py3-none-any.whl")
    put(root, "built/b-1.0-py3-none-any.whl")
    found = names(root, f"one/{ARM}", "more", "../../built/*.whl")
    assert found == [
        f"versions/{VERSION}/more/a-1.0-py3-none-any.whl",
        "built/b-1.0-py3-none-any.whl",
        f"versions/{VERSION}/one/{ARM}",
    ]


def test_both_configurations_count(root: Path) -> None:
    put(root, "built/b-1.0-py3-none-any.whl")
    put(root, f"versions/{VERSION}/own/c-1.0-py3-none-any.whl")
    (root / "shared-config.json").write_text(json.dumps({"packages": {"wheels": ["built"]}}))
    assert names(root, "own") == ["built/b-1.0-py3-none-any.whl", f"versions/{VERSION}/own/c-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (ARM, "no such file or folder"),
        ("/somewhere/*.whl", "an absolute path"),
        ("notes.txt", "without a wheel's name"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_an_error(root: Path, entry: str, problem: str) -> None:
    put(root, f"versions/{VERSION}/notes.txt")
    with pytest.raises(ConfigError, match=problem):
        names(root, entry)


def test_a_glob_may_match_nothing_yet(root: Path) -> None:
    assert names(root, "later/*.whl") == []


def test_two_files_of_one_name_must_be_the_same(root: Path) -> None:
    put(root, f"wheels/{ARM}")
    put(root, f"versions/{VERSION}/wheels/{ARM}")
    assert names(root) == [f"versions/{VERSION}/wheels/{ARM}"]
    put(root, f"wheels/{ARM}", "other")
    with pytest.raises(ConfigError, match="the same name and different content"):
        names(root)


def test_a_wheel_counts_where_its_tags_fit_down_to_the_floor(root: Path) -> None:
    put(root, f"wheels/{ARM}")
    put(root, "wheels/demo-2.0-cp312-cp312-manylinux_2_39_aarch64.whl")
    put(root, "wheels/demo-3.0-cp313-cp313-win_amd64.whl")
    made = config(root)
    fitting = wheels_for(made, "linux-aarch64")
    assert [wheel.filename for wheel in fitting] == [ARM]
    assert wheels_for(made, "windows-x64") == ()
    assert {name: str(version) for name, version in best_versions(fitting).items()} == {"demo": "1.0"}


def test_handing_over_makes_the_locks_stale_that_it_is_for_and_no_other(root: Path) -> None:
    made = config(root)
    before = {key: input_checksum(made, key, {"demo"}) for key in made.platforms}
    path = put(root, f"versions/{VERSION}/wheels/{ARM}")
    first = {key: input_checksum(made, key, {"demo"}) for key in made.platforms}
    path.write_text("another build")
    second = {key: input_checksum(made, key, {"demo"}) for key in made.platforms}
    assert {key for key in before if before[key] != first[key]} == {"linux-aarch64"}
    assert {key for key in before if first[key] != second[key]} == {"linux-aarch64"}
    assert len({input_checksum(made, "linux-aarch64", names) for names in ([], ["other"])}) == 1
