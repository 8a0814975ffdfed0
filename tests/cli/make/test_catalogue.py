from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.catalogue import record
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.cli.app import Result
from tests.artifacts.bundles import bundle, with_archive
from tests.cli.results import result_of, text_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shared-config.json").write_text("{}")
    (tmp_path / "versions" / "3.13.0-new").mkdir(parents=True)
    archive = tmp_path / "archive.tar.zst"
    archive.write_bytes(b"archive")
    for entry in (bundle(), bundle(platform="macosx-x64"), bundle("3.12.10")):
        record(tmp_path / "catalogue/catalogue.json", with_archive(entry, archive, archive.name), reporter=Reporter())
    return tmp_path


def call(project: Path, *arguments: str) -> Result:
    return result_of(project, "catalogue", *arguments)


def test_the_list_has_a_line_for_each_bundle(project: Path) -> None:
    result = call(project, "list")

    assert [(entry["version"], entry["platform"]) for entry in result.data["bundles"]] == [
        ("3.12.10", "linux-x64"),
        ("3.12.10-atls", "linux-x64"),
        ("3.12.10-atls", "macosx-x64"),
    ]
    lines = text_of(result).splitlines()
    assert lines[0].split() == ["VERSION", "PLATFORM", "PYTHON", "RUNS", "ON", "PACKAGES", "SIZE", "ARCHIVE"]
    assert "3.12.10 -> 3.12.1" in lines[1]
    assert "archive.tar.zst" in lines[3]
    assert "glibc >= 2.28" in lines[3]


def test_a_page_tells_of_all_bundles(project: Path, tmp_path: Path) -> None:
    result = call(project, "page")
    start = project / "catalogue" / "index.html"
    assert (result.data["path"], result.data["bundles"]) == (str(start), 3)
    assert "tells of 3 bundles" in text_of(result)
    assert "3 bundles of 2 versions for 2 platforms" in start.read_text()
    assert (project / "catalogue/page/3.12.10-atls/macosx-x64.html").is_file()
    other = tmp_path / "other"
    call(project, "page", "--output", str(other))
    assert (other / "index.html").read_bytes() == start.read_bytes()


def test_a_page_about_a_remote_needs_a_folder(project: Path) -> None:
    with pytest.raises(ConfigError, match="The page needs a folder"):
        call(project, "page", "--from", "s3://runtimes")


def test_an_empty_catalogue_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "shared-config.json").write_text("{}")

    result = call(tmp_path, "list")

    assert result.data == {"format": 1, "bundles": []}
    assert "bundle build" in text_of(result)


def test_a_version_is_shown_with_all_that_is_inside_and_why(project: Path) -> None:
    result = call(project, "show", "3.12.10-atls", "--platform", "linux-x64")

    assert result.data == {"bundles": [call(project, "list").data["bundles"][1]]}
    text = text_of(result)
    for part in (
        "3.12.10 -> 3.12.1 (host)",
        "a compatible wheel exists",
        "for the configuration, scipy",
        "no GPU there",
        "for openmm",
        "there is: parasail-1.3.4-py3-none-win_amd64.whl",
        "1" * 64,
        "kept numpy",
        "lost cpython",
    ):
        assert part in text


def test_a_version_is_shown_for_all_its_platforms(project: Path) -> None:
    assert len(call(project, "show", "3.12.10-atls").data["bundles"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("3.12.10-atlas",), "It has 3.12.10-atls"),
        (("nope",), "It has 3.12.10, 3.12.10-atls."),
        (("3.13.0-new",), "It has not been built."),
        (("3.12.10", "--platform", "macosx-x64"), "It was built only for linux-x64."),
    ],
)
def test_what_was_not_built_is_an_error_that_names_what_is_near(
    project: Path, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        call(project, "show", *arguments)

    assert told in str(caught.value.cause)


def test_archives_that_are_as_built_are_said_to_be(project: Path) -> None:
    result = call(project, "verify")

    assert (result.exit_code, result.data) == (0, {"checked": 3, "findings": []})
    assert "All 3 archives" in text_of(result)


def test_an_archive_that_was_changed_is_an_integrity_failure_and_one_that_is_gone_is_not(project: Path) -> None:
    (project / "archive.tar.zst").write_bytes(b"archivE")
    changed = call(project, "verify")
    (project / "archive.tar.zst").unlink()
    gone = call(project, "verify")

    assert (changed.exit_code, gone.exit_code) == (4, 1)
    assert {finding["kind"] for finding in changed.data["findings"]} == {"changed"}
    assert {finding["kind"] for finding in gone.data["findings"]} == {"missing"}
    assert "3 of 3 archives are not what the catalogue says." in text_of(gone)
    assert "The project no longer has 3.12.10-atls; `bundle catalogue forget 3.12.10-atls`" in text_of(gone)
    assert "bundle build" not in text_of(gone)
    (project / "versions" / "3.12.10").mkdir()
    assert "`bundle build 3.12.10` makes" in text_of(call(project, "verify"))


def test_entries_of_a_version_are_forgotten_and_their_files_stay(project: Path) -> None:
    result = call(project, "forget", "3.12.10-atls", "--platform", "macosx-x64")

    assert result.data["forgotten"] == [{"version": "3.12.10-atls", "platform": "macosx-x64"}]
    assert "Still there: archive.tar.zst" in text_of(result)
    assert (project / "archive.tar.zst").exists()
    call(project, "forget", "3.12.10-atls")
    assert [entry["version"] for entry in call(project, "list").data["bundles"]] == ["3.12.10"]
    with pytest.raises(ConfigError, match=r"no bundle of 3\.12\.10-atls"):
        call(project, "forget", "3.12.10-atls")
