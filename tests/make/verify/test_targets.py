from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError
from bundle.make.verify.targets import bundle_folders
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS

MACHINE = PLATFORMS["linux-x64"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    for version, keys in {"3.12.10": ("linux-x64", "windows-x64"), "3.12.10-atls": ()}.items():
        (root / "versions" / version).mkdir(parents=True)
        for key in keys:
            folder = root / "pydist" / version / key
            folder.mkdir(parents=True)
            (folder / "bundle.json").write_text(json.dumps({"version": version}))
    (root / "shared-config.json").write_text("{}")
    return Project(root)


def folders(target: str, project: Project | None, tmp_path: Path, *platforms: str) -> list[str]:
    found = bundle_folders(target, project=project, platforms=platforms, machine=MACHINE, scratch=tmp_path / "scratch")
    return [folder.name for folder in found]


def test_a_version_means_what_is_built_for_this_machine(project: Project, tmp_path: Path) -> None:
    assert folders("3.12.10", project, tmp_path) == ["linux-x64"]
    assert folders("3.12.10", project, tmp_path, "windows-x64") == ["windows-x64"]
    assert folders("3.12.10", project, tmp_path, "all") == ["linux-x64", "windows-x64"]


def test_a_folder_and_an_archive_need_no_project(project: Project, tmp_path: Path) -> None:
    folder = project.output / "3.12.10" / "linux-x64"
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, "python")
    assert folders(str(folder), None, tmp_path) == ["linux-x64"]
    assert folders(str(archive), None, tmp_path) == ["python"]
    assert (tmp_path / "scratch" / "python" / "bundle.json").is_file()


@pytest.mark.parametrize(
    ("target", "platforms", "expected"),
    [
        ("3.12.10-atls", (), "3.12.10-atls is not built yet."),
        ("3.12.10", ("linux-x64", "linux-aarch64"), "3.12.10 is not built for linux-aarch64."),
        ("3.12.10-atl", (), 'Did you mean "3.12.10-atls"?'),
    ],
)
def test_what_is_not_there_is_named(
    project: Project, tmp_path: Path, target: str, platforms: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        folders(target, project, tmp_path, *platforms)
    assert expected in caught.value.what


def test_the_command_that_builds_what_is_not_there_is_told(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        folders("3.12.10", project, tmp_path, "linux-x64", "linux-aarch64")
    assert caught.value.remedy == "Build it first: `bundle build 3.12.10 --platform linux-aarch64`."


def test_a_file_that_is_no_archive_is_wrong_usage_and_a_damaged_one_an_alarm(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is neither an archive nor a bundle"):
        folders(__file__, None, tmp_path)
    damaged = tmp_path / "3.12.10-linux-x64.tar.zst"
    damaged.write_bytes(b"not what was built")
    with pytest.raises(IntegrityError):
        folders(str(damaged), None, tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as file:
        file.add(__file__, "readme")
    with pytest.raises(ConfigError, match="not the archive of a bundle"):
        folders(str(archive), None, tmp_path)
