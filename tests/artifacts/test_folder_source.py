from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.context import Context
from bundle.artifacts.folder_source import pack_folder, with_folders
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.extract import extract
from bundle.base.report import Reporter
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock, LockedPackage

OWN = LockedPackage(
    name="own", version="1.0", kind="source", file=None, reason="", required_by=("",), folder="../own", dependencies=()
)
LOCK = Lock(version="3.12.1", platform="linux-x64", python="3.12.1", inputs="", packages=(OWN,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "own"\n')
    (folder / "src" / "run").write_text("x")
    (folder / "src" / "run").chmod(0o700)
    (folder / "link").symlink_to("src/run")
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Context:
    store = Store(tmp_path / "cache", reporter=Reporter())
    return Context(project=Project(tmp_path), store=store, reporter=Reporter(), machine=None, environ={})


def test_the_same_content_gives_the_same_archive(folder: Path, context: Context, tmp_path: Path) -> None:
    first = pack_folder("own", folder, context.store)
    os.utime(folder / "src" / "run", (1, 1))
    (folder / "src" / "run").chmod(0o755)
    assert pack_folder("own", folder, context.store) == first
    packed = context.store.files.get(first.sha256)
    assert packed is not None
    extract(packed, tmp_path / "out")
    assert (tmp_path / "out" / "own" / "link").read_text() == "x"
    assert (tmp_path / "out" / "own" / "src" / "run").stat().st_mode & 0o777 == 0o755
    (folder / "src" / "run").write_text("y")
    assert pack_folder("own", folder, context.store).sha256 != first.sha256


def test_a_lock_gets_its_folders_as_they_are_now(folder: Path, context: Context) -> None:
    config = Config(version="3.12.1", python="3.12.1", folder=context.project.root)
    with pytest.raises(IntegrityError, match="takes own from a folder, which the configuration does not name"):
        with_folders(LOCK, config, context)
    named = replace(config, packages={"linux-x64": PlatformPackages(folders={"own": folder})})
    (package,) = with_folders(LOCK, named, context).packages
    assert package.file == pack_folder("own", folder, context.store)
    assert package.key == package.file.sha256
    plain = replace(LOCK, packages=(replace(OWN, folder="", file=package.file),))
    assert with_folders(plain, config, context) is plain
