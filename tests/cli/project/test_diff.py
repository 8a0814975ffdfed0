from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.project import Project
from tests.artifacts.trees import File
from tests.cli.project.locked import VERSION as LOCKED
from tests.cli.project.locked import locked_project
from tests.cli.results import result_of, text_of
from tests.run.install.shipped import LINUX, SITE, VERSION, WHEELS, Shop

NEWER = "3.12.10-newer"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "dist")
    shop.build(sbom=True)
    newer = {
        **WHEELS,
        "numpy 2.3.0": {f"{SITE}/numpy/__init__.py": File(b"new")},
        "more 1.0": {f"{SITE}/m.py": File(b"")},
    }
    del newer["numpy 2.2.6"], newer["six 1.17.0"]
    shop.build(newer, version=NEWER, sbom=True)
    return shop


def test_what_differs_is_listed_and_is_no_failure(shop: Shop) -> None:
    result = result_of(
        None, "diff", f"{shop.folder}@{VERSION}", str(shop.archive(NEWER)), "--platform", LINUX.key, "--offline"
    )
    assert result.exit_code == 0
    text = text_of(result)
    assert "  packages (1 added, 1 removed, 1 changed)\n" in text
    assert "    +  more   1.0             wheel  it fits\n" in text
    assert "    -  six    1.17.0          wheel  it fits\n" in text
    assert "    ~  numpy  2.2.6 -> 2.3.0  wheel  it fits\n" in text
    assert "  layers (3 layers to move: " in text
    assert " compressed)\n" in text
    assert text.endswith("  not compared: floor, which not both of them tell\n")
    data = result.data
    assert data["same"] is False
    assert (data["a"]["version"], data["b"]["version"]) == (VERSION, NEWER)
    assert [one["name"] for one in data["packages"]["added"]] == ["more"]
    assert data["transfer"]["compressed"] is True
    assert data["licences"] == {"added": [], "removed": [], "changed": []}


def test_one_line_tells_that_nothing_differs(shop: Shop) -> None:
    folder = shop.folder / VERSION / LINUX.key
    result = result_of(None, "diff", str(folder), str(shop.archive()))
    assert result.data["same"] is True
    (line,) = text_of(result).splitlines()
    assert line.startswith("Nothing differs between ")
    assert line.endswith(": Python, packages, layers, licences; not compared: floor.")


def test_two_platforms_of_a_lock_are_told_apart(tmp_path: Path) -> None:
    root = locked_project(tmp_path)
    locks = [str(Project(root).lock_path(LOCKED, key)) for key in ("linux-x64", "windows-x64")]
    text = text_of(result_of(root, "diff", *locks))
    assert "  platform  linux-x64 -> windows-x64\n" in text
    assert "    -  core  1.0  wheel  fits\n" in text
    assert "not compared: layers, floor, licences" in text


def test_a_version_that_is_not_built_is_an_error(tmp_path: Path) -> None:
    root = locked_project(tmp_path)
    with pytest.raises(ConfigError, match="no bundle of"):
        result_of(root, "diff", LOCKED, LOCKED, "--platform", "linux-x64")


def test_three_platforms_are_an_error(shop: Shop) -> None:
    options = ["--platform", LINUX.key] * 3
    with pytest.raises(ConfigError, match="more than twice"):
        result_of(None, "diff", str(shop.archive()), str(shop.archive()), *options)
