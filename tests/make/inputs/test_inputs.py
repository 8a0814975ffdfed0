from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.make.inputs.inputs import read_inputs
from bundle.make.inputs.pyproject import Parts
from bundle.model.config.json_source import plain

PYPROJECT = """\
[build-system]
requires = ["setuptools"]

[project]
name = "Own"
dependencies = [
    "click",
]

[project.optional-dependencies]
gui = ["pyside6"]

[dependency-groups]
dev = ["pytest", {include-group = "docs"}]
docs = ["mkdocs>=1"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "requirements.txt").write_text("flask\n")
    return tmp_path


def dependencies(files: list[Path], *folders: Path, **parts: tuple[str, ...]) -> list[str]:
    table = plain(read_inputs(files, folders, Parts(**parts)).table)
    return [str(one) for one in table["packages"]["dependencies"]]


def test_a_project_comes_as_a_wheel_with_extras_and_groups(project: Path) -> None:
    file = project / "pyproject.toml"
    assert dependencies([file]) == ["own @ ./"]
    assert dependencies([file], extras=("gui",), groups=("dev",)) == ["own[gui] @ ./", "pytest", "mkdocs>=1"]


def test_a_project_without_a_backend_is_its_dependencies(project: Path) -> None:
    file = project / "pyproject.toml"
    file.write_text(PYPROJECT.partition("\n\n")[2])
    inputs = read_inputs([file], [], Parts(extras=("gui",)))
    assert plain(inputs.table)["packages"]["dependencies"] == ["click", "pyside6"]
    assert inputs.name == "own"


@pytest.mark.parametrize("parts", [{"extras": ("guy",)}, {"groups": ("doc",)}])
def test_parts_that_a_project_lacks_are_refused(project: Path, parts: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml: there is no (extra|group) .* Did you mean"):
        dependencies([project / "pyproject.toml"], **parts)


def test_a_requirement_of_a_project_is_told_with_its_line(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "own"\ndependencies = [\n  "good",\n  "bad=1",\n]\n')
    with pytest.raises(ConfigError, match=r"pyproject\.toml:5: bad=1 is not a requirement"):
        dependencies([project / "pyproject.toml"])


@pytest.mark.parametrize("text", ["[", "[project]\nname = 1\ndependencies = 7\n", "x = " + "[" * 5000, ""])
def test_what_is_no_project_is_refused(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        dependencies([project / "pyproject.toml"])


def test_a_folder_goes_with_files(project: Path) -> None:
    inputs = read_inputs([project / "requirements.txt"], [project], Parts())
    assert plain(inputs.table)["packages"]["dependencies"] == ["flask", "own @ ./"]
    assert inputs.name == "own"
    assert read_inputs([project / "requirements.txt"], [], Parts()).name == "requirements"


def test_a_folder_that_is_named_twice_has_one_address(project: Path) -> None:
    (project / "more").mkdir()
    (project / "more" / "requirements.txt").write_text("-e ..[gui]\n")
    files = [project / "more" / "requirements.txt", project / "pyproject.toml"]
    assert dependencies(files, project) == ["own[gui] @ ..", "own @ ..", "own @ .."]


def test_the_name_of_a_folder_may_stand_in_its_setup_cfg(project: Path) -> None:
    (project / "pyproject.toml").unlink()
    with pytest.raises(ConfigError, match="no Python project whose name is known"):
        dependencies([], project)
    (project / "setup.cfg").write_text("[metadata]\nname = Old_One\n")
    assert dependencies([], project) == ["old-one @ ./"]


@pytest.mark.parametrize("name", ["Pipfile", "poetry.lock", "environment.yml", "setup.py"])
def test_files_of_other_tools_are_refused_with_a_way(project: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is not supported") as caught:
        dependencies([project / name])
    assert caught.value.remedy.startswith("Name ")


def test_a_lock_stands_alone(project: Path) -> None:
    with pytest.raises(ConfigError, match="nothing else can be added"):
        dependencies([project / "pylock.toml", project / "requirements.txt"])


def test_extras_need_a_project(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"no pyproject\.toml or lock is named"):
        dependencies([project / "requirements.txt"], extras=("gui",))


def test_a_file_that_asks_for_nothing_is_refused(project: Path) -> None:
    (project / "requirements.txt").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="asks for no package"):
        dependencies([project / "requirements.txt"])
