"""Files of the user where a build puts its results, or among them."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from zstandard import compress as zstd

from bundle.base.errors import ConfigError
from bundle.base.files import locked
from bundle.base.report import Reporter
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE, Record, write_record
from bundle.make.project_folder import remove_bundles, remove_output, require_own
from bundle.model.config.project import Project
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project
from tests.reporters import Told

VERSION, PLATFORM = "3.12.10", "linux-x64"
NAME = f"{VERSION}-{PLATFORM}"


def manifest(version: str = VERSION, platform: str = PLATFORM) -> Any:
    return Manifest(version=version, platform=platform, python=PythonRecord(actual="3.12.10")).as_json()


MANIFEST = json.dumps(manifest())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    build = {"archives": {PLATFORM: ["tar.zst", "tar.gz", "zip"]}, "enableLogging": True}
    own = {"build": build, "platforms": [PLATFORM]}
    return Project(write_project(tmp_path / "project", {}, **{VERSION: own}))


@pytest.fixture
def request_(project: Project) -> BuildRequest:
    return BuildRequest(
        config=project.load(VERSION, {}).config,
        platform=PLATFORMS[PLATFORM],
        output=project.output,
        catalogue=project.catalogue,
        catalogue_root=project.root,
    )


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


STRANGE = {
    "a document": "notes",
    "another version's manifest": json.dumps(manifest("3.11.9")),
    "another platform's manifest": json.dumps(manifest(platform="windows-x64")),
    "no JSON": "{",
    "a list": "[]",
    "nested": "[" * 100_000,
    "other types": json.dumps({**manifest(), "version": 3}),
    "no manifest": "{}",
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_a_folder_that_is_no_bundle_of_ours_is_not_replaced(request_: BuildRequest, content: str) -> None:
    path = put(request_.folder / "bundle.json", content)

    with pytest.raises(ConfigError, match="is in the way") as refused:
        require_own(request_)

    assert refused.value.exit_code == 2
    assert "--output" in refused.value.remedy
    assert path.read_text() == content


@pytest.mark.parametrize(
    "place", [f"{NAME}.tar.zst", f"{NAME}.zip", f"{VERSION}/{PLATFORM}", f"{VERSION}/{PLATFORM}/thesis.tex"]
)
def test_files_of_the_user_are_not_replaced(request_: BuildRequest, place: str) -> None:
    put(request_.output / place, "mine")

    with pytest.raises(ConfigError, match=NAME):
        require_own(request_)


@pytest.mark.parametrize("kind", ["a folder", "a broken link"])
def test_anything_else_in_place_of_an_archive_is_not_replaced(request_: BuildRequest, kind: str) -> None:
    path = request_.archive_path("zip")
    if kind == "a folder":
        put(path / "file", "mine")
    else:
        path.parent.mkdir()
        path.symlink_to("nowhere")

    with pytest.raises(ConfigError, match=NAME):
        require_own(request_)


@pytest.mark.parametrize("place", ["nothing", "an empty folder", "a bundle", "a record", "a killed build"])
def test_results_of_builds_are_replaced(request_: BuildRequest, place: str) -> None:
    if place == "an empty folder":
        request_.folder.mkdir(parents=True)
    elif place != "nothing":
        put(request_.folder / "bundle.json", json.dumps(manifest()) if place == "a bundle" else "damaged")
    if place in ("a record", "a killed build"):
        put(request_.output / STATE / f"{NAME}.{'json' if place == 'a record' else 'lock'}", "")

    require_own(request_)


def packed(path: Path, content: str, *, name: str = "python/bundle.json") -> Path:
    """Write an archive with one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
    else:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(info, io.BytesIO(content.encode()))
        path.write_bytes(gzip.compress(stream.getvalue()) if path.suffix == ".gz" else zstd(stream.getvalue()))
    return path


def recorded(request: BuildRequest, *archives: str) -> None:
    record = Record(inputs="", tree="", archives=dict.fromkeys(archives, "another stamp"), result={})
    write_record(request.output / STATE / f"{NAME}.json", record)


@pytest.mark.parametrize("end", ["tar.zst", "tar.gz", "zip"])
@pytest.mark.parametrize("place", ["recorded", "holds the bundle"])
def test_archives_of_builds_are_replaced(request_: BuildRequest, end: str, place: str) -> None:
    put(request_.folder / "bundle.json", json.dumps(manifest()))
    if place == "recorded":
        put(request_.archive_path(end), "damaged since")
        recorded(request_, f"{NAME}.{end}")
    else:
        packed(request_.archive_path(end), json.dumps(manifest()))

    require_own(request_)


FOREIGN: Mapping[str, Callable[[Path], object]] = {
    "a text": lambda path: put(path, "mine"),
    "nothing": lambda path: put(path, ""),
    "an archive of something else": lambda path: packed(path, "{}", name="python/notes.txt"),
    "an archive with another manifest": lambda path: packed(path, json.dumps(manifest("3.11.9"))),
    "an archive with a manifest elsewhere": lambda path: packed(path, json.dumps(manifest()), name="bundle.json"),
    "an archive with a broken manifest": lambda path: packed(path, "[" * 100_000),
    "a folder": lambda path: put(path / "file", "mine"),
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(put(path.with_name("mine"), "mine")),
    "a link to an archive": lambda path: path.symlink_to(
        packed(path.parent / f"x{path.suffix}", json.dumps(manifest()))
    ),
}


@pytest.mark.parametrize("end", ["tar.zst", "tar.gz", "zip"])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_an_archive_of_the_user_beside_a_bundle_is_not_replaced(request_: BuildRequest, end: str, foreign: str) -> None:
    put(request_.folder / "bundle.json", json.dumps(manifest()))
    recorded(request_, f"{NAME}.other")
    FOREIGN[foreign](request_.archive_path(end))

    with pytest.raises(ConfigError, match="is in the way") as refused:
        require_own(request_)

    assert refused.value.exit_code == 2
    assert f"{NAME}.{end}" in refused.value.what


@pytest.mark.parametrize("foreign", ["a text", "a folder", "a pipe", "a link"])
def test_a_log_of_the_user_is_not_replaced(request_: BuildRequest, foreign: str) -> None:
    request_.output.mkdir()
    FOREIGN[foreign](request_.log)

    with pytest.raises(ConfigError, match=rf"{NAME}\.log is in the way"):
        require_own(request_)


@pytest.mark.parametrize("content", ["", f"building {NAME}\nmore\n"])
def test_a_log_of_a_build_is_replaced(request_: BuildRequest, content: str) -> None:
    put(request_.log, content)
    require_own(request_)


@pytest.mark.parametrize(
    "place",
    [
        *("notes.txt", f"{NAME}.txt", f"{VERSION}-mine.zip", "3.11.9-linux-x64.zip", "mine/file"),
        *(f"{VERSION}/notes.txt", f"{VERSION}/windows-x64/file", f"{VERSION}/mine/file", "catalogue.json"),
    ],
)
def test_nothing_is_cleaned_where_something_was_not_made_by_a_build(
    request_: BuildRequest, project: Project, place: str
) -> None:
    put(request_.folder / "bundle.json", json.dumps(manifest()))
    mine = put(project.output / place, "mine")

    with pytest.raises(ConfigError, match="nothing is removed") as refused:
        remove_output(project, reporter=Reporter())

    assert refused.value.exit_code == 2
    assert mine.read_text() == "mine"
    assert (request_.folder / "bundle.json").exists()


def test_all_results_of_builds_are_cleaned(request_: BuildRequest, project: Project) -> None:
    put(request_.folder / "bundle.json", json.dumps(manifest()))
    put(project.output / STATE / "3.11.9-linux-x64.lock", "")
    put(project.output / "3.11.9" / "linux-x64" / "file", "")
    for name in (f"{NAME}.zip", f"{NAME}.log", "3.11.9-linux-x64.log", "logs/x/y.log", "wheelhouse/a.whl"):
        put(project.output / name, "")

    assert remove_output(project, reporter=Reporter()) is not None
    assert not project.output.exists()


def test_one_version_is_cleaned_and_the_others_stay(request_: BuildRequest, project: Project) -> None:
    put(request_.folder / "bundle.json", json.dumps(manifest()))
    archive = put(project.output / f"{NAME}.zip", "")
    others = [
        put(project.output / place, "") for place in ("3.11.9-linux-x64.zip", f"{NAME}.txt", f"{VERSION}/mine/file")
    ]

    assert remove_bundles(project, VERSION, PLATFORMS, reporter=Reporter()) is not None
    assert not request_.folder.exists()
    assert not archive.exists()
    assert all(other.exists() for other in others)
    assert remove_bundles(project, VERSION, PLATFORMS, reporter=Reporter()) is None


def test_a_folder_that_no_build_made_is_not_cleaned_by_its_name(request_: BuildRequest, project: Project) -> None:
    mine = put(request_.folder / "mine", "mine")

    with pytest.raises(ConfigError, match="nothing is removed"):
        remove_bundles(project, VERSION, PLATFORMS, reporter=Reporter())
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("version", ["..", "../3.12.10", "/etc", "", "3.12"])
def test_a_name_that_is_no_version_is_not_cleaned(project: Project, version: str) -> None:
    with pytest.raises(ConfigError, match="name is X"):
        remove_bundles(project, version, PLATFORMS, reporter=Reporter())


def test_a_versions_folder_that_is_a_link_is_not_followed(
    request_: BuildRequest, project: Project, tmp_path: Path
) -> None:
    mine = put(tmp_path / "mine" / request_.platform.key / "bundle.json", json.dumps(manifest()))
    request_.folder.parent.parent.mkdir(parents=True, exist_ok=True)
    request_.folder.parent.symlink_to(tmp_path / "mine")

    with pytest.raises(ConfigError, match="nothing is removed"):
        remove_bundles(project, VERSION, PLATFORMS, reporter=Reporter())
    assert mine.exists()


def test_cleaning_waits_for_a_build(request_: BuildRequest, project: Project) -> None:
    told = Told()
    cleanings: list[Callable[[], object]] = [
        lambda: remove_output(project, reporter=told),
        lambda: remove_bundles(project, VERSION, PLATFORMS, reporter=told),
    ]
    for clean in cleanings:
        put(request_.folder / "bundle.json", json.dumps(manifest()))
        with locked(project.output / STATE / f"{NAME}.lock", reporter=Reporter(), what="x"):
            cleaning = Thread(target=clean)
            cleaning.start()
            cleaning.join(1.5)
            assert (request_.folder / "bundle.json").exists()
        cleaning.join()
        assert not request_.folder.exists()
    assert any(NAME in message for message in told.messages)
