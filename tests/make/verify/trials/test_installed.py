from __future__ import annotations

from pathlib import Path

from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.trials.installed import Environment
from tests.make.audited import PYTHON, Made, good


def environment(made: Made) -> Environment:
    return Environment(contents=read_contents(made.root, python=PYTHON, platform=made.platform))


def test_top_level_names_are_what_users_import(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install(
        "many",
        {
            "many/__init__.py": "",
            "many/inner/__init__.py": "",
            "_many_private.py": "",
            "single.py": "",
            "tests/__init__.py": "",
            "setup.py": "",
            "not-a-name/__init__.py": "",
            "many.libs/libx.so.1": b"",
            "space/one/__init__.py": "",
            "space/two/deep/__init__.py": "",
            "compiled/__init__.cpython-312-x86_64-linux-gnu.so": b"",
        },
    )
    made.install("hidden", {"_hidden/__init__.py": ""})
    found = environment(made).installed
    assert list(found["many"].top_level) == ["compiled", "many", "single", "space.one", "space.two.deep"]
    assert found["many"].top_level["space.one"] == f"{made.site}/space/one/__init__.py"
    assert list(found["hidden"].top_level) == ["_hidden"]


def test_distributions_that_open_libraries_have_native_files_or_say_so(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("data", {"data/__init__.py": "", "data/libx.so.1.2": b""})
    made.install("windows", {"windows/__init__.py": "", "windows/x.DLL": b""})
    made.install("byhand", {"byhand/__init__.py": "", "byhand/load.py": "from ctypes import CDLL\n"})
    made.install("pure", {"pure/__init__.py": "soname = 'libx.so'\n"})
    names = {one.name for one in environment(made).opens_libraries()}
    assert names & {"data", "windows", "byhand", "pure"} == {"data", "windows", "byhand"}


def test_requirements_count_where_their_markers_hold(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    metadata = (
        "Metadata-Version: 2.1\nName: asks\nVersion: 1.0\n"
        "Requires-Dist: other\nRequires-Dist: never; sys_platform == 'win32'\nRequires-Dist: aiohttp; extra == 'd'\n"
        "Requires-Dist: other; extra == 'met'\nRequires-Dist: !!! no requirement\n"
    )
    entries = "[console_scripts]\nAsks = asks.cli:main [d, x]\nplain=asks.cli : main\nodd = ! !\n[other]\nx = y\n"
    made.install("asks", {"asks/__init__.py": "", "asks-1.0.dist-info/entry_points.txt": entries})
    made.write(f"{made.site}/asks-1.0.dist-info/METADATA", metadata)
    assert environment(made).lacks("asks")
    made.install("other", {"other.py": ""})
    found = environment(made)
    assert not found.lacks("asks")
    assert found.lacks("asks", "d")
    assert not found.lacks("asks", "met")
    assert found.installed["asks"].scripts == {"Asks": ("asks.cli", ("d", "x")), "plain": ("asks.cli", ())}


def test_metadata_that_is_malformed_says_nothing(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("odd", {"odd/__init__.py": "", "odd-1.0.dist-info/entry_points.txt": "a = b\n[console_scripts"})
    made.write(f"{made.site}/odd-1.0.dist-info/METADATA", b"\xff\xfe\0")
    found = environment(made)
    assert found.installed["odd"].scripts == {}
    assert not found.lacks("odd")
