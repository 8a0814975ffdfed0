from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.base.report import Reporter
from bundle.make.sources.environment import Environment, SourceBuildTools, build_variables
from bundle.model.platforms import PLATFORMS


def tools_of(folder: Path, *, key: str = "linux-x64", python: Path | None = None, **environ: str) -> SourceBuildTools:
    return SourceBuildTools(
        python=python or folder / "runtime" / "bin" / "python3.12",
        machine=PLATFORMS[key],
        timeout=60,
        log=folder / "build.log",
        reporter=Reporter(),
        work=folder / "work",
        epoch=315532800,
        environ=environ,
    )


def variables_of(tools: SourceBuildTools) -> dict[str, str]:
    root = tools.work / "environment"
    return build_variables(tools, Environment(root=root, python=root / "bin" / "python"), scratch=tools.work)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with compilers that only exist."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("gcc", "g++"):
        (folder / name).touch(mode=0o755)
    return folder


def test_the_environment_comes_first_and_an_active_one_is_left_out(tmp_path: Path, programs: Path) -> None:
    active = tmp_path / "active"
    path = os.pathsep.join(map(str, (active / "bin", programs, "")))
    tools = tools_of(tmp_path, PATH=path, VIRTUAL_ENV=str(active))
    variables = variables_of(tools)
    assert variables["PATH"].split(os.pathsep) == [str(tools.work / "environment" / "bin"), str(programs)]
    assert variables["VIRTUAL_ENV"] == str(tools.work / "environment")


@pytest.mark.parametrize(
    ("key", "link", "build_id"),
    [
        ("linux-x64", "gcc -shared", "-Wl,--build-id=none"),
        ("macosx-x64", "gcc -bundle -undefined dynamic_lookup", None),
    ],
)
def test_the_compiler_of_the_machine_links_in_the_way_of_its_system(
    tmp_path: Path, programs: Path, key: str, link: str, build_id: str | None
) -> None:
    variables = variables_of(tools_of(tmp_path, key=key, PATH=str(programs)))
    assert (variables["CC"], variables["LDSHARED"]) == ("gcc", link)
    assert variables.get("LDFLAGS") == build_id


def test_windows_finds_its_compiler_itself(tmp_path: Path, programs: Path) -> None:
    variables = variables_of(tools_of(tmp_path, key="windows-x64", PATH=str(programs), VSINSTALLDIR="C:\\VS"))
    assert variables["VSINSTALLDIR"] == "C:\\VS"
    assert variables.keys().isdisjoint({"CC", "CXX", "CFLAGS", "LDFLAGS"})


def test_compiled_files_name_no_private_folder_and_the_longer_path_is_mapped_last(tmp_path: Path) -> None:
    tools = tools_of(tmp_path)
    flags = variables_of(tools)["CFLAGS"].split()
    maps = [flag.removeprefix("-ffile-prefix-map=") for flag in flags if flag.startswith("-ffile-prefix-map=")]
    assert maps == [f"{tools.work}=/build", f"{tmp_path / 'runtime'}=/python"]


def test_the_prefix_of_the_system_is_not_private(tmp_path: Path) -> None:
    tools = tools_of(tmp_path, python=Path("/usr/bin/python3.12"))
    assert {alias for _, alias in tools.private_paths} == {"/build"}
