from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import IntegrityError, WorkError
from bundle.base.filenames import text_obstacle
from tests.artifacts.wheel.layouts import (
    ENTRY_POINTS,
    LINUX,
    MACOS,
    SITE,
    WINDOWS,
    assert_record_is_true,
    content,
    lay,
    refused,
    scripts_in,
)
from tests.artifacts.wheelmaker import make_wheel
from tests.base.names import IMPOSSIBLE_ON_WINDOWS


def test_every_part_of_a_wheel_comes_to_its_place(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        name="My-Demo",
        files={
            "demo/__init__.py": "",
            "demo/tool": "x",
            "{data}/purelib/pure.py": "pure",
            "{data}/platlib/plat.py": "plat",
            "{data}/scripts/run": b"#!python\nprint()\n",
            "{data}/scripts/binary": b"\x7fELF",
            "{data}/headers/demo.h": "h",
            "{data}/data/share/demo.txt": "data",
        },
        dist_info={"entry_points.txt": ENTRY_POINTS},
        executable=["demo/tool"],
    )
    laid = lay(wheel, tmp_path / "tree")
    files = content(tmp_path / "tree")
    assert files.keys() == {
        "bin/binary",
        "bin/demo",
        "bin/old",
        "bin/run",
        "bin/win",
        "include/python3.12/My-Demo/demo.h",
        *(f"{SITE}/{name}" for name in ("demo/__init__.py", "demo/tool", "plat.py", "pure.py")),
        *(
            f"{SITE}/My_Demo-1.0.dist-info/{name}"
            for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")
        ),
        "share/demo.txt",
    }
    modes = {path for path, (_, mode) in files.items() if mode == 0o755}
    assert modes == {"bin/binary", "bin/demo", "bin/old", "bin/run", "bin/win", f"{SITE}/demo/tool"}
    assert {mode for _, mode in files.values()} == {0o755, 0o644}
    assert files["bin/demo"][0].endswith(
        b'from demo.cli import main\nif __name__ == "__main__":\n    sys.exit(main())\n'
    )
    assert files["bin/run"][0].startswith(b"#!/bin/sh\n")
    assert files[f"{SITE}/My_Demo-1.0.dist-info/INSTALLER"][0] == b"bundle\n"
    assert (laid.name, laid.version) == ("my-demo", "1.0")
    assert_record_is_true(tmp_path / "tree", SITE, "My_Demo-1.0.dist-info")


def test_on_windows_the_places_and_launchers_are_those_of_windows(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={
            "demo.py": "",
            "{data}/scripts/run.py": b"#!python\nprint()\n",
            "{data}/scripts/demo": b"#!python\nprint()\n",
            "{data}/headers/demo.h": "h",
        },
        dist_info={"entry_points.txt": ENTRY_POINTS},
    )
    lay(wheel, tmp_path / "tree", platform=WINDOWS)
    files = content(tmp_path / "tree")
    assert {"Lib/site-packages/demo.py", "Include/demo/demo.h"} <= files.keys()
    assert scripts_in(tmp_path / "tree", WINDOWS) == ["demo.exe", "old.exe", "run.exe", "run.py", "win.exe"]
    assert_record_is_true(tmp_path / "tree", "Lib/site-packages", "demo-1.0.dist-info")


def test_a_script_that_stands_for_an_entry_point_already_gives_way(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={f"{{data}}/scripts/{name}": b"#!python\n" for name in ("demo", "demo-script.py", "demo.exe", "Demo")},
        dist_info={"entry_points.txt": ENTRY_POINTS},
    )
    lay(wheel, tmp_path / "tree")
    assert scripts_in(tmp_path / "tree", LINUX) == ["Demo", "demo", "old", "win"]


@pytest.mark.parametrize(
    "path", ["bin/python3.12", "bin/python", "bin/python3", "lib/libpython3.12.so.1.0", "python312.dll", "pyvenv.cfg"]
)
def test_the_interpreter_cannot_be_replaced(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, files={f"{{data}}/data/{path}": ""})
    assert "would replace the bundle's interpreter" in refused(wheel, tmp_path / "tree").what


@pytest.mark.parametrize(
    "files",
    [
        {"demo.py": "1", "{data}/purelib/demo.py": "2"},
        {"demo": "1", "{data}/purelib/demo/x.py": "2"},
        {"demo/x.py": "1", "{data}/purelib/demo": "2"},
        {"demo": "1", "demo/x.py": "2"},
    ],
)
def test_two_files_for_one_place_are_refused(tmp_path: Path, files: dict[str, str]) -> None:
    error = refused(make_wheel(tmp_path, files=files), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert "two files for" in error.what


@pytest.mark.parametrize(
    "files",
    [
        {"demo/Read.py": "", "demo/read.py": ""},
        {"demo/x.py": "", "Demo/y.py": ""},
        {"demo/\xe9": "", "demo/e\u0301": ""},
    ],
)
def test_names_that_differ_only_in_case_are_refused_where_they_are_one(tmp_path: Path, files: dict[str, str]) -> None:
    wheel = make_wheel(tmp_path, files=files)
    for platform in (MACOS, WINDOWS):
        tree = tmp_path / platform.key
        error = refused(wheel, tree, platform=platform)
        assert isinstance(error, WorkError)
        assert "are the same file" in error.what
        for path in sorted(tree.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        tree.rmdir()
    lay(wheel, tmp_path / "linux")


@pytest.mark.parametrize("name", [name for name in IMPOSSIBLE_ON_WINDOWS if text_obstacle(name) is None])
def test_names_that_windows_cannot_have_are_refused_there_alone(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path, files={f"demo/{name}": ""})
    assert "cannot exist on Windows" in refused(wheel, tmp_path / "tree", platform=WINDOWS).what
    lay(wheel, tmp_path / "linux")
