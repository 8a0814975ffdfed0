import json
import threading
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, WorkError
from bundle.base.files import locked
from bundle.base.report import Reporter
from bundle.make.project_folder import keeping, remove_bundles, remove_output, start_version
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project


def test_a_new_version_loads_and_spells_the_shared_dependencies_out(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {"packages": {"dependencies": ["numpy==2.2.6"]}}))
    path = start_version(project, "3.13.0-custom")
    assert path == tmp_path / "versions" / "3.13.0-custom" / "config.json"
    assert json.loads(path.read_text()) == {
        "platforms": list(PLATFORMS),
        "packages": {"dependencies": ["numpy==2.2.6"]},
    }
    assert project.load("3.13.0-custom", {}).config.python == "3.13.0"


def test_a_version_may_start_as_a_copy_without_its_locks(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10-a": {"platforms": ["linux-x64"]}}))
    template = project.folder("3.12.10-a")
    (template / "bin").mkdir()
    (template / "bin" / "tool").write_text("#!/bin/sh\n")
    (template / "bin" / "tool").chmod(0o755)
    (template / "bin" / "link").symlink_to("tool")
    (template / "pylock.linux-x64.toml").touch()
    start_version(project, "3.13.0-b", template="3.12.10-a")
    made = project.folder("3.13.0-b")
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*")) == [
        "bin",
        "bin/link",
        "bin/tool",
        "config.json",
    ]
    assert (made / "bin" / "link").is_symlink()
    assert (made / "bin" / "tool").stat().st_mode & 0o111
    assert project.load("3.13.0-b", {}).config.platforms == ("linux-x64",)


@pytest.mark.parametrize(
    ("name", "template", "problem"),
    [
        ("3.12.10-a", None, "exists already"),
        ("3.12.10-A", None, "would be one folder on macOS and Windows|exists already"),
        ("3.13-b", None, "Did you mean 3.13.0-b"),
        ("../3.13.0", None, "a version's name is"),
        ("3.13.0-b", "3.12.10-c", r"There is no version '3\.12\.10-c'"),
    ],
)
def test_what_cannot_be_started_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, template: str | None, problem: str
) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10-a": {}}))
    with pytest.raises(ConfigError, match=problem):
        start_version(project, name, template=template)
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["3.12.10-a"]


def test_a_shared_configuration_that_is_broken_is_no_beginning(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {"bild": {}}))
    with pytest.raises(ConfigError, match="bild"):
        start_version(project, "3.13.0")
    assert not (tmp_path / "versions").exists()


def test_cleaning_removes_what_builds_produced_and_says_how_much(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {}}))
    assert remove_output(project, reporter=Reporter()) is None
    inside = project.output / "3.12.10" / "linux-x64" / "bin"
    inside.mkdir(parents=True)
    (project.output / ".state").mkdir()
    (project.output / ".state" / "3.12.10-linux-x64.lock").touch()
    (inside / "python").write_bytes(b"x" * 1000)
    (inside / "python").chmod(0o444)
    inside.chmod(0o555)
    assert remove_output(project, reporter=Reporter()) == 1000
    assert not project.output.exists()
    assert project.versions() == ["3.12.10"]


def test_a_tree_is_kept_only_if_its_build_fails(tmp_path: Path) -> None:
    tree, place = tmp_path / "tree", tmp_path / ".state" / "failed" / "bundle"
    for text in ("first", "second"):
        tree.mkdir()
        (tree / "file").write_text(text)
        with keeping(tree, place):
            pass
        with pytest.raises(WorkError) as caught, keeping(tree, place):
            raise WorkError("It failed.", details=["why"])

        assert caught.value.details == ("why", f"(the bundle that failed: {place})")
        assert (place / "file").read_text() == text
        assert not tree.exists()


def test_cleaning_waits_for_a_build_that_runs(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {}}))
    lock = project.output / ".state" / "3.12.10-linux-x64.lock"
    waiting = threading.Event()

    class Waiting(Reporter):
        def info(self, message: str) -> None:
            waiting.set()

    with locked(lock, reporter=Reporter(), what="the build"):
        (project.output / "half").mkdir()
        cleaning = threading.Thread(target=remove_output, args=(project,), kwargs={"reporter": Waiting()})
        cleaning.start()
        assert waiting.wait(60)
        assert project.output.exists()
        (project.output / "half").rmdir()
    cleaning.join(60)
    assert not project.output.exists()


def test_cleaning_a_version_removes_what_failed_of_it(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {}}))
    failed = project.output / ".state" / "failed"
    for name in ("3.12.10-linux-x64", "3.12.11-linux-x64"):
        (failed / name).mkdir(parents=True)
    (project.output / ".state" / "3.12.10-linux-x64.lock").touch()

    assert remove_bundles(project, "3.12.10", ["linux-x64"], reporter=Reporter()) is not None

    assert [path.name for path in failed.iterdir()] == ["3.12.11-linux-x64"]


def test_an_output_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    project = Project(write_project(root, {}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    project.output.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a symlink to"):
        remove_output(project, reporter=Reporter())
    assert (elsewhere / "file").exists()
