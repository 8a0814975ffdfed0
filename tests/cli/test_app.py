from __future__ import annotations

from pathlib import Path

import click
import pytest

from bundle.base.errors import ConfigError
from bundle.base.report import PlainReporter, WarningsReporter
from bundle.cli.app import App, complete_version, select_platforms
from bundle.cli.project.check import check
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project


def test_the_project_is_the_nearest_folder_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_project(project, {}, **{"3.12.10": {}})
    monkeypatch.chdir(project / "versions" / "3.12.10")
    assert App().project == project
    monkeypatch.chdir(tmp_path)
    assert App(project_option=project).project == project
    with pytest.raises(ConfigError, match="nor a folder above it"):
        _ = App().project


def test_a_named_folder_without_configuration_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no shared-config\.json"):
        _ = App(project_option=tmp_path).project


def test_the_environment_moves_the_store(tmp_path: Path) -> None:
    assert App(environ={"BUNDLE_CACHE_DIR": str(tmp_path)}).cache == tmp_path
    assert App(environ={}).cache.name == "bundle"


def test_quiet_reports_warnings_alone() -> None:
    assert isinstance(App(quiet=True).reporter, WarningsReporter)
    assert isinstance(App().reporter, PlainReporter)


def test_platforms_are_selected_in_their_own_order() -> None:
    assert select_platforms(("windows-x64", "linux-x64"), default=()) == (
        PLATFORMS["linux-x64"],
        PLATFORMS["windows-x64"],
    )
    assert select_platforms(("all",), default=()) == tuple(PLATFORMS.values())
    assert select_platforms((), default=("macosx-x64",)) == (PLATFORMS["macosx-x64"],)


def test_the_shell_completes_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_project(tmp_path, {}, **{"3.12.10": {}, "3.13.0": {}}))
    context, parameter = click.Context(check), check.params[0]
    assert complete_version(context, parameter, "3.13") == ["3.13.0"]
    monkeypatch.chdir(tmp_path.parent)
    assert complete_version(context, parameter, "3.13") == []
