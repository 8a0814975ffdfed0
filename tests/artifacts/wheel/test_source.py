from __future__ import annotations

import hashlib
import random
import stat
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from bundle.artifacts.wheel import source
from bundle.base.errors import IntegrityError
from tests.artifacts.wheel.layouts import (
    SITE,
    assert_record_is_true,
    content,
    lay,
    refused,
)
from tests.artifacts.wheelmaker import make_wheel


def test_bytecode_and_an_installers_own_files_are_left_out(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={"demo.py": "", "__pycache__/demo.cpython-312.pyc": "evil"},
        dist_info={"INSTALLER": "somebody", "direct_url.json": "{}", "REQUESTED": ""},
    )
    lay(wheel, tmp_path / "tree")
    files = content(tmp_path / "tree")
    assert files[f"{SITE}/demo-1.0.dist-info/INSTALLER"][0] == b"bundle\n"
    assert {Path(path).name for path in files} == {"demo.py", "INSTALLER", "METADATA", "RECORD", "WHEEL"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("long", [b"", bytes(5 * 2**20), random.Random(0).randbytes(3 * 2**20), b"line\n" * 2**20])
def test_a_long_file_arrives_whole(tmp_path: Path, compression: int, long: bytes) -> None:
    lay(make_wheel(tmp_path, files={"demo.py": "", "demo.bin": long}, compression=compression), tmp_path / "tree")
    assert content(tmp_path / "tree")[f"{SITE}/demo.bin"][0] == long


def test_a_data_folder_spelt_in_another_way_is_understood(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, name="My_Demo", files={"my-demo-1.0.0.data/data/share/x": "x"})
    lay(wheel, tmp_path / "tree")
    assert (tmp_path / "tree" / "share" / "x").exists()


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


@pytest.mark.parametrize("mode", [stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666, stat.S_IFSOCK | 0o666])
def test_devices_are_refused(tmp_path: Path, mode: int) -> None:
    error = refused(make_wheel(tmp_path, files={"demo.py": "/etc"}, modes={"demo.py": mode}), tmp_path / "tree")
    assert isinstance(error, IntegrityError)
    assert "is a device" in error.what


def test_a_link_is_a_flaw_and_becomes_a_text_that_leads_nowhere(tmp_path: Path) -> None:
    mode = stat.S_IFLNK | 0o777
    wheel = make_wheel(tmp_path, files={"demo/npm": "/etc/passwd"}, modes={"demo/npm": mode})
    (flaw,) = lay(wheel, tmp_path / "tree").flaws
    assert (flaw.rule, flaw.file) == ("wheel-link", f"{SITE}/demo/npm")
    assert not (tmp_path / "tree" / flaw.file).is_symlink()
    assert content(tmp_path / "tree")[flaw.file] == (b"/etc/passwd", 0o644)


@pytest.mark.parametrize("path", ["../evil", "/evil"])
def test_a_link_at_an_unsafe_place_is_refused(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, files={path: "x"}, modes={path: stat.S_IFLNK | 0o777})
    with pytest.raises(IntegrityError):
        lay(wheel, tmp_path / "tree")


@pytest.mark.parametrize("tag", ["py3-manylinux_2_28_x86_64", "py3", "py3-none-any-any", ""])
def test_a_tag_that_is_none_is_a_note_and_the_files_name_counts(tmp_path: Path, tag: str) -> None:
    wheel = make_wheel(tmp_path, dist_info={"WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n"})
    laid = lay(wheel, tmp_path / "tree")
    assert [flaw.rule for flaw in laid.flaws] == ["wheel-tags"]
    laid.require_sound()


def test_a_record_that_is_wrong_is_a_flaw_and_the_bundles_own_is_right(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        files={"demo.py": "x", "more.py": "y"},
        record={"demo.py": ("sha256=AAAA", "1"), "more.py": None, "gone.py": ("sha256=AAAA", "1")},
    )
    laid = lay(wheel, tmp_path / "tree")
    assert sorted((flaw.rule, flaw.file) for flaw in laid.flaws) == [
        ("wheel-record", f"{SITE}/demo-1.0.dist-info/RECORD"),
        ("wheel-record", f"{SITE}/demo.py"),
        ("wheel-record", f"{SITE}/more.py"),
    ]
    assert_record_is_true(tmp_path / "tree", SITE, "demo-1.0.dist-info")


def test_a_record_about_another_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_FLAWS", 3)
    rows: dict[str, tuple[str, str] | None] = {f"gone{number}.py": ("sha256=AAAA", "1") for number in range(4)}
    with pytest.raises(IntegrityError, match="more than 3 files"):
        lay(make_wheel(tmp_path, record=rows), tmp_path / "tree")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("sha256=AAAA", "1"), "demo.py differs from"),
        (("sha256=LXEWQrcmsEQBYnyp-6wy9chTD6GQPMTbAiWHF5IaSIE", "2"), "demo.py differs from"),
        (("md5=nTOG3UrBe2Tt5XGqdH0ifQ", "1"), "md5"),
        (("", "1"), "without a hash"),
        (None, "is not in the RECORD"),
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
    assert "scripts/run differs from" in refused(wheel, tmp_path / "tree").what


def test_bytecode_that_is_left_out_is_compared_with_record_too(tmp_path: Path) -> None:
    path = "__pycache__/demo.cpython-312.pyc"
    wheel = make_wheel(tmp_path, files={path: "x"}, record={path: ("sha256=AAAA", "1")})
    assert "pyc differs from" in refused(wheel, tmp_path / "tree").what


def test_a_stronger_hash_in_record_counts(tmp_path: Path) -> None:
    digest = urlsafe_b64encode(hashlib.sha512(b"x").digest()).rstrip(b"=").decode()
    good = make_wheel(tmp_path, files={"demo.py": "x"}, record={"demo.py": (f"sha512={digest}", "1")})
    lay(good, tmp_path / "good")
    bad = make_wheel(tmp_path / "b", files={"demo.py": "y"}, record={"demo.py": (f"sha512={digest}", "1")})
    assert "demo.py differs from" in refused(bad, tmp_path / "b" / "tree").what


def test_a_file_that_record_names_and_the_wheel_lacks_is_missed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, record={"gone.py": ("sha256=AAAA", "1")})
    assert "names 'gone.py', which is not in the wheel" in refused(wheel, tmp_path / "tree").what


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
        ({"../other.dist-info/METADATA": ""}, "leads upward"),
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
    assert "is in no folder" in refused(make_wheel(tmp_path, files={path: ""}), tmp_path / "tree").what


def test_an_entry_that_stands_twice_in_the_zip_file_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "1"})
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("demo.py", "2")
    assert "demo.py twice" in refused(wheel, tmp_path / "tree").what


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HARMLESS", 2**20)
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
    assert "compression" in refused(wheel, tmp_path / "tree").what


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    for number, data in enumerate((b"", b"<html>not found</html>", b"PK\x05\x06" + bytes(18))):
        wheel.write_bytes(data)
        assert isinstance(refused(wheel, tmp_path / "tree"), IntegrityError), number
        (tmp_path / "tree").rmdir()
