import tarfile
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.sources import SOURCES, sources_for
from bundle.base.errors import ConfigError
from bundle.model.config.config import DEFAULT_SOURCES
from bundle.model.config.schema import schema
from bundle.model.platforms import PLATFORMS

LINUX = PLATFORMS["linux-x64"]
WINDOWS = PLATFORMS["windows-x64"]


def _names(*values: str, platform: str = "linux-x64") -> list[str]:
    return [source.name for source in sources_for(values, DEFAULT_SOURCES, PLATFORMS[platform])]


def _archive(folder: Path) -> Path:
    path = folder / "own.bin"
    with tarfile.open(path, "w:gz"):
        pass
    return path


def test_without_a_word_the_configured_sources_are_asked_in_their_order() -> None:
    assert _names() == list(DEFAULT_SOURCES)


def test_the_name_of_a_source_asks_that_one_alone() -> None:
    assert _names("host") == ["host"]


def test_a_folder_or_an_executable_is_a_python_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "python3").write_bytes(b"\x7fELF")
    assert _names(str(tmp_path)) == ["host"]
    assert _names(str(tmp_path / "python3")) == ["host"]


def test_an_archive_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    assert _names(str(_archive(tmp_path))) == ["archive"]


def test_a_file_that_is_named_like_an_archive_is_taken_for_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "python.zip").write_bytes(b"<html>")
    assert _names(f"windows-x64={tmp_path / 'python.zip'}", platform="windows-x64") == ["archive"]


def test_a_path_for_one_platform_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    value = f"windows-x64={_archive(tmp_path)}"
    assert _names(value, platform="windows-x64") == ["archive"]
    assert _names(value, platform="linux-x64") == list(DEFAULT_SOURCES)
    assert _names(value, "host", platform="linux-x64") == ["host"]


def test_a_word_that_is_nothing_names_the_likely_one() -> None:
    with pytest.raises(ConfigError) as caught:
        _names("hots")
    assert "'host'" in str(caught.value.cause)


def test_an_unknown_source_in_the_configuration_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'conda'"):
        sources_for((), ("conda",), LINUX)


def test_the_configuration_knows_every_source() -> None:
    names = schema()["properties"]["interpreter"]["properties"]["sources"]["items"]["enum"]
    assert sorted(names) == sorted(SOURCES)
