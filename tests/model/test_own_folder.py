from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from bundle.base.errors import ConfigError
from bundle.model import own_folder
from bundle.model.own_folder import own_files, shape

STATIC = '[project]\nname = "own"\nversion = "1.0"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("src/own/__init__.py", "src/own/build/x.py", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "pyproject.toml").write_text(STATIC)
    return tmp_path


KEPT = ["README.md", "pyproject.toml", "src/own/__init__.py", "src/own/build/x.py"]


def test_histories_caches_and_results_do_not_count(folder: Path) -> None:
    for name in (
        *(".git/HEAD", "build/lib/x.py", "dist/x.whl", "pydist/x", "env/pyvenv.cfg", "env/lib/x.py"),
        *("src/own/__pycache__/x.pyc", "src/own.egg-info/PKG-INFO", "node_modules/x", "out/.state/x", "out/bundle"),
        *("pylock.own-linux-x64.toml", ".bundle-cache/layers/x"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.mkfifo(folder / "fifo")
    assert own_files(folder) == KEPT
    (folder / "link").symlink_to("README.md")
    assert own_files(folder) == sorted([*KEPT, "link"])


def test_only_what_shapes_the_metadata_makes_locks_stale(folder: Path) -> None:
    before = shape(folder)
    (folder / "README.md").write_text("other")
    assert shape(folder) == before
    (folder / "pyproject.toml").write_text(f'{STATIC}dependencies = ["click"]\n')
    assert shape(folder) != before
    (folder / "pyproject.toml").write_text(f'{STATIC}dynamic = ["dependencies"]\n')
    before = shape(folder)
    (folder / "README.md").write_text("another")
    assert shape(folder) != before


def test_the_configuration_of_other_tools_makes_no_lock_stale(folder: Path) -> None:
    before = shape(folder)
    (folder / "pyproject.toml").write_text(f"{STATIC}[tool.ruff]\nline-length = 99\n")
    assert shape(folder) == before


def test_of_a_version_that_hatchling_reads_only_its_file_counts(folder: Path) -> None:
    path = '[project]\nname = "own"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "src/own/__init__.py"\n'
    (folder / "pyproject.toml").write_text(path)
    before = shape(folder)
    (folder / "README.md").write_text("other")
    assert shape(folder) == before
    (folder / "src" / "own" / "__init__.py").write_text("__version__ = '2'")
    assert shape(folder) != before


def test_versions_of_bundles_in_the_same_folder_do_not_count(folder: Path) -> None:
    for name in ("versions/3.12.10-own/pylock.linux-x64.toml", "catalogue/catalogue.json"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    assert own_files(folder) != KEPT
    (folder / "shared-config.json").touch()
    assert own_files(folder) == [*KEPT[:2], "shared-config.json", *KEPT[2:]]


def test_what_is_no_project_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no folder"):
        own_files(tmp_path / "absent")
    with pytest.raises(ConfigError, match="is no Python project"):
        own_files(folder / "src")
    with patch.object(own_folder, "_MOST_FILES", 3), pytest.raises(ConfigError, match="more than 3 files"):
        own_files(folder)
