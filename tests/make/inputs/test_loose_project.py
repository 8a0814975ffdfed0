from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.make.inputs.inputs import read_inputs
from bundle.make.inputs.loose_project import LooseProject, version_name
from bundle.make.inputs.pyproject import Parts
from tests.artifacts.wheelmaker import make_wheel


def project_of(folder: Path, text: str) -> LooseProject:
    (folder / "requirements.txt").write_text(text)
    inputs = read_inputs([folder / "requirements.txt"], [], Parts())
    return LooseProject(inputs, version="3.12.1-app", output=folder / "out")


def test_requirements_are_a_configuration(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "pyproject.toml").write_text('[project]\nname = "own"\n')
    text = f"flask>=3\n./own\nsix==1.0 --hash=sha256:{'a' * 64}\nflask --hash=sha256:{'b' * 64}\n-c limits.txt\n"
    (tmp_path / "limits.txt").write_text("numpy<2\n")
    config = project_of(tmp_path, text).load("3.12.1-app", {}).config
    packages = config.packages_for("macosx-x64")
    assert (config.version, config.python, config.variant) == ("3.12.1-app", "3.12.1", "app")
    assert packages.dependencies == ("flask>=3", "own @ ./own", "six==1.0", "flask")
    assert packages.folders == {"own": own}
    assert packages.constraints == ("numpy<2",)
    assert (packages.hashes["six"], packages.hashes["other"]) == (frozenset({"a" * 64}), frozenset())
    assert packages.resolution.allow_source_all


def test_the_lock_lies_beside_the_requirements(tmp_path: Path) -> None:
    project = project_of(tmp_path, "flask\n")
    assert project.lock_path("3.12.1-my.app", "linux-x64") == tmp_path / "pylock.my-app-linux-x64.toml"
    assert project.sources("3.12.1-app") == (tmp_path / "requirements.txt",)
    assert project.versions() == ["3.12.1-app"]


def test_an_index_is_checked_like_that_of_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"requirements\.txt:1: .*TOKEN is not set"):
        project_of(tmp_path, "-i https://${TOKEN}@index.example/simple\nflask\n").load("3.12.1-app", {})


def test_wheels_count_only_where_they_are_named(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "mine", "1.0")
    assert project_of(tmp_path, "flask\n").load("3.12.1-app", {}).config.wheels == ()
    named = project_of(tmp_path, "--find-links wheels\nflask\n").load("3.12.1-app", {}).config.wheels
    assert [place.pattern for place in named] == ["wheels"]


@pytest.mark.parametrize("name", ["a/b", "../x", "a b", "é", "x" * 300 + "/"])
def test_names_are_names_of_variants(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a bundle"):
        version_name("3.12.1", name)
    assert version_name("3.12.1", "") == "3.12.1"
