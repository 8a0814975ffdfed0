from __future__ import annotations

import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from bundle.base.errors import IntegrityError, WorkError
from bundle.make.sources.sdist import static_metadata, static_requires, unpack_source
from tests.make import sdistmaker

PROJECT = """
[project]
name = "Demo"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["idna >= 3; python_version < '4'"]
[project.optional-dependencies]
Fast_Math = ["numpy", "scipy; os_name == 'posix' or os_name == 'nt'"]
"""


def info(*lines: str) -> str:
    return "".join(f"{line}\n" for line in ("Name: demo", "Version: 1.0", *lines))


def test_an_sdist_is_unpacked_into_its_one_folder(tmp_path: Path) -> None:
    source = unpack_source(sdistmaker.make_sdist(tmp_path, {"setup.py": "x = 1\n"}), tmp_path / "into")
    assert source == tmp_path / "into" / "demo-1.0"
    assert (source / "setup.py").read_text() == "x = 1\n"


def test_a_zip_file_is_an_sdist_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo-1.0.zip", "w") as archive:
        archive.writestr("demo-1.0/PKG-INFO", "Metadata-Version: 2.2\n" + info("Requires-Dist: idna"))
        archive.writestr("demo-1.0/setup.py", "")
    assert unpack_source(tmp_path / "demo-1.0.zip", tmp_path / "into").name == "demo-1.0"
    assert b"idna" in (static_metadata(tmp_path / "demo-1.0.zip") or b"")


@pytest.mark.parametrize("paths", [("a/x", "b/x"), ("x",), ("a/x", "y")])
def test_an_archive_that_is_not_one_folder_is_refused(tmp_path: Path, paths: tuple[str, ...]) -> None:
    with tarfile.open(tmp_path / "demo-1.0.tar.gz", "w:gz") as tar:
        for path in paths:
            tar.addfile(tarfile.TarInfo(path))
    with pytest.raises(IntegrityError, match="must have exactly one top folder"):
        unpack_source(tmp_path / "demo-1.0.tar.gz", tmp_path / "into")


@pytest.mark.parametrize(
    ("pyproject", "expected"),
    [
        (None, ("setuptools>=40.8.0",)),
        ("[tool.black]\nline-length = 3\n", ("setuptools>=40.8.0",)),
        ('[build-system]\nrequires = ["hatchling >= 1", "abc"]\nbuild-backend = "x"\n', ("abc", "hatchling>=1")),
    ],
)
def test_what_a_backend_needs_stands_in_pyproject_or_is_setuptools(
    tmp_path: Path, pyproject: str | None, expected: tuple[str, ...]
) -> None:
    (tmp_path / "setup.py").touch()
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
    assert static_requires(tmp_path) == expected


@pytest.mark.parametrize(
    "pyproject",
    [
        "[build-system\n",
        '[build-system]\nbuild-backend = "x"\n',
        '[build-system]\nrequires = ["not a requirement"]\n',
        pytest.param(f'[build-system]\nrequires = ["x; {"(" * 3000}"]\n', id="a deep marker"),
        '[build-system]\nrequires = []\nbuild-backend = "x"\nbackend-path = [".."]\n',
        None,
    ],
)
def test_a_source_without_a_valid_pyproject_is_refused(tmp_path: Path, pyproject: str | None) -> None:
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
    with pytest.raises(WorkError, match="cannot be built from source"):
        static_requires(tmp_path)


def test_a_project_table_that_cannot_be_read_is_left_to_the_backend(tmp_path: Path) -> None:
    for value in ("9" * 5000, "[" * 3000):
        (tmp_path / "pyproject.toml").write_text(f"x = {value}\n[project]\nname = 'x'\n")
        assert static_metadata(tmp_path) is None


def test_final_metadata_of_an_sdist_is_taken_as_it_stands(tmp_path: Path) -> None:
    text = "Metadata-Version: 2.2\n" + info("Requires-Dist: idna", "Dynamic: license")
    sdist = sdistmaker.make_sdist(tmp_path, {"PKG-INFO": text})
    assert static_metadata(sdist) == text.encode()
    assert static_metadata(unpack_source(sdist, tmp_path / "into")) == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "Metadata-Version: 2.1\n" + info("Requires-Dist: idna"),
        "Metadata-Version: 2.2\n" + info("Dynamic: Requires-Dist"),
        "Metadata-Version: 2.4\n" + info("Dynamic: requires-python"),
        "Metadata-Version: 2.2\n" + info("Requires-Dist: idna >> 3"),
        "Metadata-Version: 2.2\nName: demo\n",
        "nonsense",
    ],
)
def test_metadata_that_may_still_change_is_left_to_the_backend(tmp_path: Path, text: str) -> None:
    assert static_metadata(sdistmaker.make_sdist(tmp_path, {"PKG-INFO": text})) is None


def test_a_leftover_in_a_repository_does_not_speak_for_it(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.2\n" + info())
    assert static_metadata(tmp_path) is None


def test_a_project_table_that_spells_everything_out_is_enough(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    told = message_from_bytes(static_metadata(tmp_path) or b"")
    assert (told["Name"], told["Version"], told["Requires-Python"]) == ("Demo", "1.0", ">=3.9")
    assert told.get_all("Provides-Extra") == ["fast-math"]
    assert told.get_all("Requires-Dist") == [
        'idna>=3; python_version < "4"',
        'numpy; extra == "fast-math"',
        'scipy; (os_name == "posix" or os_name == "nt") and extra == "fast-math"',
    ]


@pytest.mark.parametrize(
    "change",
    [
        ("version =", "dynamic = ['version'] #"),
        ("dependencies = [", "dynamic = ['dependencies'] #"),
        ("dependencies = [", "other = ["),
        ("idna >= 3", "not a requirement"),
        ("requires-python", "dynamic = ['optional-dependencies']\nrequires-python"),
        ("[project]", "[project"),
    ],
)
def test_a_project_table_that_leaves_something_open_is_not(tmp_path: Path, change: tuple[str, str]) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace(*change))
    assert static_metadata(tmp_path) is None


def test_a_damaged_sdist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo-1.0.tar.gz").write_bytes(b"no archive")
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        static_metadata(tmp_path / "demo-1.0.tar.gz")
