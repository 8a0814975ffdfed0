from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.tags import Tag

from bundle.artifacts.wheel import source
from bundle.artifacts.wheel.filename import agree
from bundle.artifacts.wheel.lay_out import Laid, fits, lay_out
from bundle.base.errors import BundleError, IntegrityError, WorkError
from bundle.base.processes.run import check, run
from bundle.model.platforms import PLATFORMS, Floors, Platform
from tests.artifacts.wheelmaker import make_wheel

LINUX = PLATFORMS["linux-x64"]
MACOS = PLATFORMS["macosx-aarch64"]
WINDOWS = PLATFORMS["windows-x64"]
PYTHON = "3.12.10"
SITE = "lib/python3.12/site-packages"
ENTRY_POINTS = (
    "[console_scripts]\ndemo = demo.cli:main\nold = demo:f.g [extra]\n[gui_scripts]\nwin = demo:gui\n[other]\nx = y\n"
)


def lay(wheel: Path, tree: Path, *, platform: Platform = LINUX, **options: object) -> Laid:
    tree.mkdir()
    return lay_out(wheel, tree, platform=platform, python=PYTHON, **options)  # type: ignore[arg-type]


def content(tree: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(tree).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


def assert_record_is_true(tree: Path, site_packages: str, dist_info: str) -> None:
    record = tree / site_packages / dist_info / "RECORD"
    rows = list(csv.reader(io.StringIO(record.read_text(), newline="")))
    assert rows == sorted(rows)
    listed = {os.path.normpath(f"{site_packages}/{path}"): (digest, size) for path, digest, size in rows}
    files = content(tree)
    assert listed.keys() == files.keys()
    for path, (data, _) in files.items():
        if path != f"{site_packages}/{dist_info}/RECORD":
            digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert listed[path] == (f"sha256={digest}", str(len(data)))


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
    assert laid.scripts == ("binary", "demo", "old", "run", "win")
    assert laid.size == sum(len(data) for data, _ in files.values())
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
    laid = lay(wheel, tmp_path / "tree", platform=WINDOWS)
    files = content(tmp_path / "tree")
    assert {"Lib/site-packages/demo.py", "Include/demo/demo.h", "Scripts/run.py"} <= files.keys()
    assert laid.scripts == ("demo.exe", "old.exe", "run.exe", "run.py", "win.exe")
    assert laid.dropped == ("scripts/demo",)
    assert_record_is_true(tmp_path / "tree", "Lib/site-packages", "demo-1.0.dist-info")


def test_a_script_that_stands_for_an_entry_point_already_gives_way(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={f"{{data}}/scripts/{name}": b"#!python\n" for name in ("demo", "demo-script.py", "demo.exe", "Demo")},
        dist_info={"entry_points.txt": ENTRY_POINTS},
    )
    laid = lay(wheel, tmp_path / "tree")
    assert laid.scripts == ("Demo", "demo", "old", "win")
    assert laid.dropped == ("scripts/demo", "scripts/demo-script.py", "scripts/demo.exe")


def test_the_same_wheel_gives_the_same_bytes_under_any_umask(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "x"}, dist_info={"entry_points.txt": ENTRY_POINTS})
    trees = []
    for platform in (LINUX, WINDOWS):
        for number, umask in enumerate((0o022, 0o077)):
            before = os.umask(umask)
            try:
                tree = tmp_path / f"{platform.key}{number}"
                lay(wheel, tree, platform=platform, requested=True)
            finally:
                os.umask(before)
            trees.append(content(tree))
    assert trees[0] == trees[1]
    assert trees[2] == trees[3]


def test_metadata_and_licence_are_handed_on(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        metadata="Requires-Dist: other>1; extra == 'x'\nRequires-Dist: more\nRequires-Python: >=3.8\n"
        "License-Expression: MIT\nLicense: free\nClassifier: License :: OSI Approved\nClassifier: Topic :: Games\n",
        dist_info={"licenses/sub/LICENSE.txt": "1", "COPYING": "2", "top_level.txt": "3"},
    )
    laid = lay(wheel, tmp_path / "tree")
    assert laid.requires_dist == ("other>1; extra == 'x'", "more")
    assert laid.requires_python == ">=3.8"
    assert laid.licence.expression == "MIT"
    assert laid.licence.text == "free"
    assert laid.licence.classifiers == ("License :: OSI Approved",)
    folder = f"{SITE}/demo-1.0.dist-info"
    assert laid.licence.files == (f"{folder}/COPYING", f"{folder}/licenses/sub/LICENSE.txt")


def test_requested_and_direct_url_are_written_without_credentials(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    url = "https://user:secret@index.example:8443/demo.whl?token=secret#sha256=0"
    lay(wheel, tmp_path / "tree", requested=True, direct_url={"url": url, "archive_info": {"hash": "sha256=00"}})
    folder = tmp_path / "tree" / SITE / "demo-1.0.dist-info"
    assert (folder / "REQUESTED").read_bytes() == b""
    assert json.loads((folder / "direct_url.json").read_text()) == {
        "archive_info": {"hash": "sha256=00"},
        "url": "https://index.example:8443/demo.whl",
    }
    lay(wheel, tmp_path / "ssh", direct_url={"url": "ssh://git@host.example/demo", "vcs_info": {"vcs": "git"}})
    assert "ssh://git@host.example/demo" in (tmp_path / "ssh" / SITE / "demo-1.0.dist-info/direct_url.json").read_text()


def test_an_address_on_this_machine_is_not_written(tmp_path: Path) -> None:
    lay(make_wheel(tmp_path), tmp_path / "tree", direct_url={"url": tmp_path.as_uri(), "dir_info": {}})
    assert not (tmp_path / "tree" / SITE / "demo-1.0.dist-info" / "direct_url.json").exists()


def test_extension_modules_are_told_from_other_libraries(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        tag="cp312-cp312-manylinux_2_17_x86_64",
        files={
            "demo/_core.cpython-312-x86_64-linux-gnu.so": "",
            "demo/_old.cpython-311-x86_64-linux-gnu.so": "",
            "demo/_mac.cpython-312-darwin.so": "",
            "demo/_stable.abi3.so": "",
            "demo/_plain.so": "..PyInit__plain..",
            "demo/libthing.so": "..",
            "demo/empty.so": "",
            "demo/__init__.cpython-312-x86_64-linux-gnu.so": "",
            "demo.libs/libgomp-1a2b.so.1.0": "",
            "top.abi3.so": "",
            "{data}/data/lib/libdata.so": "..PyInit_libdata..",
        },
    )
    laid = lay(wheel, tmp_path / "tree")
    assert laid.modules == ("demo", "demo._core", "demo._plain", "demo._stable", "top")
    assert len(laid.native) == 11
    assert "lib/libdata.so" in laid.native


def test_extension_modules_are_named_as_on_their_platform(tmp_path: Path) -> None:
    windows = make_wheel(
        tmp_path,
        tag="cp312-cp312-win_amd64",
        files={"demo/_core.cp312-win_amd64.pyd": "", "demo/_plain.pyd": "PyInit__plain", "demo/other.dll": ""},
    )
    assert lay(windows, tmp_path / "windows", platform=WINDOWS).modules == ("demo._core", "demo._plain")
    macos = make_wheel(
        tmp_path,
        tag="cp312-cp312-macosx_11_0_arm64",
        files={"demo/_core.cpython-312-darwin.so": "", "demo/.dylibs/libx.dylib": "", "demo/_s.abi3.so": ""},
    )
    laid = lay(macos, tmp_path / "macos", platform=MACOS)
    assert laid.modules == ("demo._core", "demo._s")
    assert f"{SITE}/demo/.dylibs/libx.dylib" in laid.native


def test_bytecode_and_an_installers_own_files_are_left_out_and_named(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={"demo.py": "", "__pycache__/demo.cpython-312.pyc": "evil"},
        dist_info={"INSTALLER": "somebody", "direct_url.json": "{}", "REQUESTED": ""},
    )
    laid = lay(wheel, tmp_path / "tree")
    assert laid.dropped == (
        "__pycache__/demo.cpython-312.pyc",
        *(f"demo-1.0.dist-info/{name}" for name in ("INSTALLER", "REQUESTED", "direct_url.json")),
    )
    files = content(tmp_path / "tree")
    assert files[f"{SITE}/demo-1.0.dist-info/INSTALLER"][0] == b"bundle\n"
    assert f"{SITE}/demo-1.0.dist-info/direct_url.json" not in files


def test_a_data_folder_spelt_in_another_way_is_understood(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, name="My_Demo", files={"my-demo-1.0.0.data/data/share/x": "x"})
    lay(wheel, tmp_path / "tree")
    assert (tmp_path / "tree" / "share" / "x").exists()


# Wheels that must not be laid out.


def refused(wheel: Path, tree: Path, *, platform: Platform = LINUX) -> BundleError:
    with pytest.raises(BundleError) as caught:
        lay(wheel, tree, platform=platform)
    outside = [path for path in tree.parent.iterdir() if path != tree and path.suffix != ".whl"]
    assert outside == []
    return caught.value


@pytest.mark.parametrize(
    "path",
    [
        "../evil.py",
        "demo/../../evil.py",
        "/evil.py",
        "C:/evil.py",
        "C:evil.py",
        "demo\\evil.py",
        "\\\\host\\share\\evil.py",
        "demo//evil.py",
        "./evil.py",
        "demo/\nevil.py",
        "demo/\0evil.py",
        "{data}/data/../../evil",
        "{data}/scripts/../../evil",
        "demo/" + "x" * 300,
    ],
)
def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path, path: str) -> None:
    error = refused(make_wheel(tmp_path, files={path: "evil"}), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert "demo-1.0-py3-none-any.whl" in error.what


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    error = refused(make_wheel(tmp_path, files={"demo.py": "/etc"}, modes={"demo.py": mode}), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert "link or a device" in error.what


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("sha256=AAAA", "1"), "demo.py is not what"),
        (("sha256=LXEWQrcmsEQBYnyp-6wy9chTD6GQPMTbAiWHF5IaSIE", "2"), "demo.py is not what"),
        (("md5=nTOG3UrBe2Tt5XGqdH0ifQ", "1"), "md5"),
        (("", "1"), "without a hash"),
        (None, "not in the wheel's RECORD"),
        (("what", "1"), "damaged"),
        (("sha256=AAAA", "many"), "damaged"),
    ],
)
def test_a_file_that_is_not_what_record_says_is_refused(
    tmp_path: Path, row: tuple[str, str] | None, message: str
) -> None:
    error = refused(make_wheel(tmp_path, files={"demo.py": "x"}, record={"demo.py": row}), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert message in error.what
    assert "demo-1.0-py3-none-any.whl" in error.what


def test_a_script_is_compared_with_record_too(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={"{data}/scripts/run": "#!python\n"},
        record={"demo-1.0.data/scripts/run": ("sha256=AAAA", "9")},
    )
    assert "scripts/run is not what" in refused(wheel, tmp_path / "tree").what


def test_bytecode_that_is_left_out_is_compared_with_record_too(tmp_path: Path) -> None:
    path = "__pycache__/demo.cpython-312.pyc"
    wheel = make_wheel(tmp_path, files={path: "x"}, record={path: ("sha256=AAAA", "1")})
    assert "pyc is not what" in refused(wheel, tmp_path / "tree").what


def test_a_stronger_hash_in_record_counts(tmp_path: Path) -> None:
    digest = urlsafe_b64encode(hashlib.sha512(b"x").digest()).rstrip(b"=").decode()
    good = make_wheel(tmp_path, files={"demo.py": "x"}, record={"demo.py": (f"sha512={digest}", "1")})
    lay(good, tmp_path / "good")
    bad = make_wheel(tmp_path / "b", files={"demo.py": "y"}, record={"demo.py": (f"sha512={digest}", "1")})
    assert "demo.py is not what" in refused(bad, tmp_path / "b" / "tree").what


def test_a_file_that_record_names_and_the_wheel_lacks_is_missed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, record={"gone.py": ("sha256=AAAA", "1")})
    assert "gone.py is in the wheel's RECORD and missing" in refused(wheel, tmp_path / "tree").what


@pytest.mark.parametrize(
    ("dist_info", "message"),
    [
        ({"METADATA": "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"}, "other 1.0"),
        ({"METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n"}, "demo 2.0"),
        ({"METADATA": "Metadata-Version: 2.1\nName: demo\n"}, "damaged"),
        ({"METADATA": "Metadata-Version: 2.1\nName: ../demo\nVersion: 1.0\n"}, "damaged"),
        ({"METADATA": "Metadata-Version: 2.1\nVersion: 1.0\n"}, "damaged"),
        ({"METADATA": b"\xff"}, "damaged"),
        ({"WHEEL": "Wheel-Version: 1.0\nTag: cp312-cp312-win_amd64\n"}, "win_amd64"),
        ({"WHEEL": "Wheel-Version: 9.0\nTag: py3-none-any\n"}, "damaged"),
        ({"WHEEL": b"\xff"}, "damaged"),
        ({"entry_points.txt": "[console_scripts]\nnonsense = nonsense\n"}, "entry_points.txt"),
        ({"entry_points.txt": "no section\n"}, "entry_points.txt"),
        ({"entry_points.txt": "[console_scripts]\n../evil = demo:main\n"}, "../evil"),
        ({"entry_points.txt": "[console_scripts]\npython3.12 = demo:main\n"}, "interpreter"),
        ({"../other.dist-info/METADATA": ""}, "leaves"),
        ({"RECORD": '"'}, "damaged"),
    ],
)
def test_a_wheel_that_contradicts_itself_is_refused(
    tmp_path: Path, dist_info: dict[str, str | bytes], message: str
) -> None:
    error = refused(make_wheel(tmp_path, dist_info=dist_info), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert message in error.what


def test_a_wheel_under_another_name_is_refused(tmp_path: Path) -> None:
    for name in ("other-1.0-py3-none-any.whl", "demo-1.1-py3-none-any.whl"):
        wheel = make_wheel(tmp_path).rename(tmp_path / name)
        assert isinstance(refused(wheel, tmp_path / name[:-4]), IntegrityError)
        wheel.unlink()
        (tmp_path / name[:-4]).rmdir()


@pytest.mark.parametrize("missing", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_without_its_own_papers_is_refused(tmp_path: Path, missing: str) -> None:
    whole = make_wheel(tmp_path / "whole")
    wheel = tmp_path / whole.name
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(wheel, "w") as target:
        for info in source.infolist():
            if not info.filename.endswith(missing):
                target.writestr(info, source.read(info))
    (tmp_path / "whole" / whole.name).unlink()
    (tmp_path / "whole").rmdir()
    assert missing in refused(wheel, tmp_path / "tree").what


@pytest.mark.parametrize("path", ["{data}/data", "{data}/nowhere/x", "{data}/x"])
def test_data_for_no_known_place_is_refused(tmp_path: Path, path: str) -> None:
    assert "belongs to no place" in refused(make_wheel(tmp_path, files={path: ""}), tmp_path / "tree").what


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
    assert "two things for the place" in error.what


def test_an_entry_that_stands_twice_in_the_zip_file_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "1"})
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("demo.py", "2")
    assert "demo.py twice" in refused(wheel, tmp_path / "tree").what


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
        assert "are one file" in error.what
        for path in sorted(tree.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        tree.rmdir()
    lay(wheel, tmp_path / "linux")


@pytest.mark.parametrize("name", ["con.py", "a:b", "what?", "blank ", "dot.", "NUL", "lpt1.txt"])
def test_names_that_windows_cannot_have_are_refused_there_alone(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path, files={f"demo/{name}": ""})
    assert "cannot exist on Windows" in refused(wheel, tmp_path / "tree", platform=WINDOWS).what
    lay(wheel, tmp_path / "linux")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_HARMLESS", 2**20)
    error = refused(make_wheel(tmp_path, files={"bomb": bytes(2**21)}), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert "would unpack to" in error.what
    assert list((tmp_path / "tree").iterdir()) == []


def test_a_file_longer_than_it_declares_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "x" * 1000}, compression=zipfile.ZIP_STORED)
    raw = wheel.read_bytes()
    wheel.write_bytes(raw.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert isinstance(refused(wheel, tmp_path / "tree"), IntegrityError)


def test_a_compression_that_wheels_do_not_use_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, compression=zipfile.ZIP_LZMA)
    assert "compressed" in refused(wheel, tmp_path / "tree").what


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    for number, data in enumerate((b"", b"<html>not found</html>", b"PK\x05\x06" + bytes(18))):
        wheel.write_bytes(data)
        assert isinstance(refused(wheel, tmp_path / "tree"), IntegrityError), number
        (tmp_path / "tree").rmdir()


def test_a_wheel_for_another_platform_or_python_is_refused(tmp_path: Path) -> None:
    for tag in ("cp312-cp312-win_amd64", "cp311-cp311-manylinux_2_17_x86_64", "py2-none-any"):
        error = refused(make_wheel(tmp_path, tag=tag), tmp_path / "tree")
        assert isinstance(error, WorkError)
        (tmp_path / "tree").rmdir()


@pytest.fixture(name="scratch", scope="module")
def one_folder_for_all_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_wheel_ends_in_an_integrity_error_or_in_the_same_tree(scratch: Path, data: st.DataObject) -> None:
    wheel = make_wheel(
        scratch,
        files={"demo.py": "x", "{data}/scripts/run": "#!python\n"},
        dist_info={"entry_points.txt": ENTRY_POINTS},
        compression=data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])),
    )
    whole, damaged = scratch / "whole", scratch / "damaged"
    for tree in (whole, damaged):
        run_away(tree)
    lay(wheel, whole)
    raw = bytearray(wheel.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    wheel.write_bytes(raw)
    try:
        lay(wheel, damaged)
    except IntegrityError:
        return
    modes_may_change = [{path: data for path, (data, _) in content(tree).items()} for tree in (whole, damaged)]
    assert modes_may_change[0] == modes_may_change[1]


def run_away(tree: Path) -> None:
    for path in sorted(tree.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if tree.exists():
        tree.rmdir()


# Tags.


@pytest.mark.parametrize(
    ("filename", "platform", "expected"),
    [
        ("demo-1.0-py3-none-any.whl", "windows-x64", True),
        ("demo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "linux-x64", True),
        ("demo-1.0-cp312-cp312-manylinux_2_34_x86_64.whl", "linux-x64", False),
        ("demo-1.0-cp312-cp312-manylinux_2_17_aarch64.whl", "linux-x64", False),
        ("demo-1.0-cp38-abi3-manylinux1_x86_64.whl", "linux-x64", True),
        ("demo-1.0-cp313-cp313-win_amd64.whl", "windows-x64", False),
        ("demo-1.0-cp312-cp312-win32.whl", "windows-x64", False),
        ("demo-1.0-cp312-cp312-macosx_11_0_universal2.whl", "macosx-aarch64", True),
        ("demo-1.0-cp312-cp312-macosx_14_0_arm64.whl", "macosx-aarch64", False),
        ("demo-1.0-cp312-cp312-musllinux_1_2_x86_64.whl", "linux-x64", False),
        ("demo-1.0.tar.gz", "linux-x64", False),
        ("nonsense.whl", "linux-x64", False),
    ],
)
def test_a_wheel_fits_by_its_tags_and_the_floors(filename: str, platform: str, expected: bool) -> None:
    assert fits(filename, PLATFORMS[platform], PYTHON, Floors()) is expected


@given(st.text(), st.sampled_from(sorted(PLATFORMS)))
def test_any_name_either_fits_or_not(name: str, platform: str) -> None:
    assert fits(name, PLATFORMS[platform], PYTHON, Floors()) in {True, False}


@given(st.data())
def test_a_wheel_agrees_with_itself(data: st.DataObject) -> None:
    platform = data.draw(st.sampled_from(list(PLATFORMS.values())))
    tag = data.draw(st.sampled_from(platform.tags(PYTHON, Floors())))
    assert agree([tag], [tag])


@pytest.mark.parametrize(
    ("named", "stated", "expected"),
    [
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-linux_x86_64", True),
        ("py3-none-manylinux2014_x86_64", "cp39-cp39-linux_x86_64", True),
        ("py3-none-win_amd64", "py3-none-any", True),
        ("cp312-cp312-macosx_11_0_universal2", "cp312-cp312-macosx_10_9_x86_64", True),
        ("cp312-cp312-macosx_11_0_arm64", "cp312-cp312-macosx_11_0_x86_64", False),
        ("py3-none-any", "py3-none-win_amd64", False),
        ("cp312-cp312-linux_x86_64", "cp311-cp311-linux_x86_64", False),
        ("cp312-cp312-manylinux1_x86_64", "cp312-cp312-manylinux2014_aarch64", False),
    ],
)
def test_a_renamed_wheel_agrees_if_it_is_still_the_same_thing(named: str, stated: str, expected: bool) -> None:
    assert agree([Tag(*named.split("-"))], [Tag(*stated.split("-"))]) is expected


@pytest.mark.real
def test_the_pip_that_comes_with_python_runs_where_it_was_laid(tmp_path: Path) -> None:
    import ensurepip

    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    python = ".".join(map(str, sys.version_info[:3]))
    tree = tmp_path / "a b \xfc"
    tree.mkdir()
    laid = lay_out(bundled, tree, platform=LINUX, python=python)
    site_packages = LINUX.site_packages(python)
    assert_record_is_true(tree, site_packages, f"pip-{laid.version}.dist-info")
    interpreter = tree / LINUX.executable(python)
    interpreter.write_text(
        f"""#!/bin/sh
exec "{sys.executable}" -I -c 'import sys
sys.path.insert(0, sys.argv[1])
del sys.argv[:2]
exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"))' "{tree}/{site_packages}" "$@"
"""
    )
    interpreter.chmod(0o755)
    shown = check(run([tree / "bin" / "pip", "--version"]), "pip").output
    assert shown.startswith(f"pip {laid.version} from {tree}/{site_packages}")
    assert "pip" in laid.scripts
