from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.cli.app import App
from bundle.cli.selection import current_lock, select
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project

LINUX = PLATFORMS["linux-x64"]
MAC = PLATFORMS["macosx-x64"]


@pytest.fixture
def app(tmp_path: Path) -> App:
    project = write_project(tmp_path, {}, **{"3.12.10": {"platforms": ["linux-x64", "macosx-x64"]}, "3.13.0": {}})
    app = App(project_option=project, environ={})
    app.machine = LINUX
    return app


def selected(app: App, *platforms: str, default: str = "own") -> list[tuple[str, str]]:
    wanted = select(app, app.open_project(), ("3.12.10",), platforms, default="own" if default == "own" else "all")
    return [(config.version, platform.key) for config, platform in wanted]


def test_the_default_is_the_machines_own_platform_or_all_of_the_version(app: App) -> None:
    assert selected(app) == [("3.12.10", "linux-x64")]
    assert selected(app, default="all") == [("3.12.10", "linux-x64"), ("3.12.10", "macosx-x64")]


def test_all_means_the_platforms_of_the_version(app: App) -> None:
    assert selected(app, "all") == [("3.12.10", "linux-x64"), ("3.12.10", "macosx-x64")]


def test_a_platform_that_the_version_is_not_built_for_is_refused(app: App) -> None:
    with pytest.raises(ConfigError, match=r"3\.12\.10 is not built for windows-x64"):
        selected(app, "macosx-x64", "windows-x64")


def test_an_unknown_machine_has_no_default_platform(app: App) -> None:
    app.machine = None
    with pytest.raises(ConfigError, match="none of the known platforms"):
        selected(app)


def test_a_missing_lock_is_refused_with_the_command_that_writes_it(app: App) -> None:
    project: Project = app.open_project()
    config = project.load("3.12.10", {}).config
    with pytest.raises(ConfigError) as caught:
        current_lock(project, config, MAC)
    assert "bundle lock" in caught.value.remedy
