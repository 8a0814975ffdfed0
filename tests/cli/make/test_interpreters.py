"""`bundle interpreters` without any network: mirrors that are folders, and archives that are not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.cli.app import App, Result
from tests.cli.results import result_of, text_of

pytestmark = pytest.mark.real


def _project(folder: Path, interpreter: dict[str, Any]) -> Path:
    version = folder / "versions" / "3.12.10"
    version.mkdir(parents=True)
    (folder / "shared-config.json").write_text(json.dumps({"interpreter": interpreter}))
    (version / "config.json").write_text("{}")
    return folder


def _call(project: Path, *arguments: str) -> Result:
    environ = {"BUNDLE_CACHE_DIR": str(project / "cache"), "HOME": str(project), "PATH": ""}
    return result_of(project, "interpreters", "3.12.10", *arguments, environ=environ)


def test_a_mirror_that_has_the_file_wins_and_the_others_say_what_they_have(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "20250529"
    mirror.mkdir(parents=True)
    name = "cpython-3.12.10+20250529-aarch64-unknown-linux-gnu-install_only_stripped.tar.gz"
    (mirror / name).write_bytes(b"not looked into by now")
    interpreter = {"mirror": mirror.parent.as_uri(), "sources": ["host", "python-build-standalone"]}
    project = _project(tmp_path / "project", interpreter)
    result = _call(project, "--platform", "linux-aarch64")
    (row,) = result.data["platforms"]
    assert not row["choice"]["substituted"]
    assert [source["source"] for source in row["sources"]][:2] == ["host", "python-build-standalone"]
    assert "it has the exact version" in text_of(result)
    assert result.exit_code == 0


def test_several_versions_are_answered_for_at_once(tmp_path: Path) -> None:
    project = _project(tmp_path, {"sources": ["archive"]})
    (project / "versions" / "3.12.9").mkdir()
    (project / "versions" / "3.12.9" / "config.json").write_text("{}")
    result = _call(project, "3.12.9", "3.12.10", "--platform", "linux-x64")
    assert [row["version"] for row in result.data["platforms"]] == ["3.12.10", "3.12.9"]


def test_a_mirror_that_cannot_be_filled_says_so_and_lists_what_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    project = _project(tmp_path / "project", {"mirror": (tmp_path / "empty").as_uri()})
    (project / "versions" / "3.12.99").mkdir()
    (project / "versions" / "3.12.99" / "config.json").write_text("{}")
    target = tmp_path / "mirror"
    result = _call(project, "3.12.99", "--platform", "windows-x64", "--mirror", str(target))
    assert result.exit_code == 3
    ((file,), (left,)) = result.data["files"], result.data["left"]
    assert (file["status"], file["platform"], file["versions"]) == ("failed", "windows-x64", ["3.12.10"])
    assert left["lacking"]
    assert "newest 3.12" in left["reason"]
    assert "left alone: 3.12.99 on windows-x64" in text_of(result)
    assert not list(target.rglob("*.tar.gz"))


def test_a_mirror_gets_the_files_whole_and_only_those_of_the_platforms_asked_for(tmp_path: Path) -> None:
    name = "cpython-3.12.10+20250529-x86_64-pc-windows-msvc-install_only_stripped.tar.gz"
    (tmp_path / "from" / "20250529").mkdir(parents=True)
    (tmp_path / "from" / "20250529" / name).write_bytes(b"not what was released")
    project = _project(tmp_path / "project", {"mirror": (tmp_path / "from").as_uri()})
    result = _call(project, "--platform", "windows-x64", "--mirror", str(tmp_path / "mirror"))
    assert result.exit_code == 4
    assert [one["file"] for one in result.data["files"]] == [f"20250529/{name}"]
    assert not (tmp_path / "mirror" / "20250529" / name).exists()


def test_where_nothing_fits_each_platform_says_why_and_the_exit_code_tells(tmp_path: Path) -> None:
    archives = {"windows-x64": {"path": "gone.zip", "sha256": "0" * 64}}
    result = _call(_project(tmp_path, {"sources": ["archive"], "archives": archives}), "--platform", "all")
    assert result.exit_code == 2
    assert [row["choice"] for row in result.data["platforms"]] == [None] * 5
    reasons = {row["platform"]: row["sources"][0]["answer"] for row in result.data["platforms"]}
    assert "gone.zip" in reasons["windows-x64"]
    assert "interpreter.archives" in reasons["linux-x64"]
    assert text_of(result).count("to do:") == 1
    assert "--interpreter PLATFORM=FILE" in text_of(result)


def test_without_a_platform_it_is_about_this_machine(tmp_path: Path) -> None:
    machine = App().machine
    assert machine is not None
    result = _call(_project(tmp_path, {"sources": ["archive"]}))
    assert [row["platform"] for row in result.data["platforms"]] == [machine.key]
    assert text_of(result).count("to do:") == 1


def test_a_mirror_without_the_file_is_told_apart_from_one_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    interpreter = {"mirror": (tmp_path / "empty").as_uri(), "sources": ["python-build-standalone"]}
    result = _call(_project(tmp_path / "project", interpreter), "--platform", "macosx-x64")
    assert [source["outcome"] for source in result.data["platforms"][0]["sources"]] == ["missing"]
    assert result.exit_code == 2
