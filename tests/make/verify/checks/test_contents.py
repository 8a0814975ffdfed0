from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.folders import listing
from bundle.make.verify.checks.contents import module_name, read_contents
from bundle.model.platforms import PLATFORMS

LINUX = PLATFORMS["linux-x64"]
WINDOWS = PLATFORMS["windows-x64"]
MAC = PLATFORMS["macosx-aarch64"]
CP312 = "cpython-312-x86_64-linux-gnu"
OTHER = "a/_x.cpython-311-x86_64-linux-gnu.so"
SITE = "lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("platform", "path", "expected"),
    [
        (LINUX, "numpy/_core/_umath." + CP312 + ".so", ("numpy._core._umath", CP312)),
        (LINUX, "cryptography/_rust.abi3.so", ("cryptography._rust", "abi3")),
        (LINUX, "parasail/_plain.so", ("parasail._plain", "")),
        (LINUX, "pkg/__init__." + CP312 + ".so", ("pkg", CP312)),
        (LINUX, "81d2__mypyc." + CP312 + ".so", ("81d2__mypyc", CP312)),
        (LINUX, "pkg/_a.cpython-311-x86_64-linux-gnu.so", ("pkg._a", "cpython-311-x86_64-linux-gnu")),
        (LINUX, "numpy.libs/libopenblas.so", None),
        (LINUX, "scipy.libs/libgfortran-0.so.5.0.0", None),
        (LINUX, "pkg/libscipy_openblas-68440149.so", None),
        (LINUX, "pkg/libfoo.1.2.so", None),
        (LINUX, "pkg/_a.pyd", None),
        (MAC, "pkg/_a.cpython-312-darwin.so", ("pkg._a", "cpython-312-darwin")),
        (WINDOWS, "pkg/_a.cp312-win_amd64.pyd", ("pkg._a", "cp312-win_amd64")),
        (WINDOWS, "pkg/_a.pyd", ("pkg._a", "")),
        (WINDOWS, "pkg/_a.so", None),
    ],
)  # fmt: skip
def test_a_file_is_a_module_if_an_import_could_find_it(
    platform: object, path: str, expected: tuple[str, str] | None
) -> None:
    assert module_name(path, platform, "3.12.10") == expected  # type: ignore[arg-type]


def make(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def test_native_modules_are_found_by_package(tmp_path: Path) -> None:
    tagged = f"{CP312}.so"
    rows = (f"a/_fast.{tagged},sha256=x,1", "a/_plain.so,,", "a/libplain.so,,", "../../../bin/run,,3", f"{OTHER},,")
    record = "\n".join(rows)
    root = make(
        tmp_path,
        {
            f"{SITE}/A_B-1.0.dist-info/RECORD": record.encode(),
            f"{SITE}/a/_fast.{tagged}": b"",
            f"{SITE}/a/_plain.so": b"..PyInit__plain\0..",
            f"{SITE}/a/libplain.so": b"..PyInit_other\0..",
            f"{SITE}/{OTHER}": b"",
            f"{SITE}/copied.abi3.so": b"",
            f"lib/python3.12/lib-dynload/_ssl.{tagged}": b"",
        },
    )
    contents = read_contents(root, python="3.12.10", platform=LINUX)
    assert [(module.package, module.name, module.other) for module in contents.modules] == [
        ("a-b", "a._fast", None),
        ("a-b", "a._plain", None),
        ("a-b", "a._x", "cpython-311-x86_64-linux-gnu"),
        ("python", "_ssl", None),
        ("unowned", "copied", None),
    ]
    assert contents.distributions[0].files["bin/run"] == 3


def test_a_module_for_another_interpreter_is_none_if_the_right_one_is_beside_it(tmp_path: Path) -> None:
    tags = ("cpython-311-x86_64-linux-gnu", "cpython-312-x86_64-linux-gnu", "cpython-313-x86_64-linux-gnu")
    root = make(tmp_path, {f"{SITE}/_a.{tag}.so": b"" for tag in tags})
    contents = read_contents(root, python="3.12.10", platform=LINUX)
    assert [(module.name, module.other) for module in contents.modules] == [("_a", None)]


def test_scripts_are_what_can_be_started_and_is_no_interpreter(tmp_path: Path) -> None:
    names = ("python3.12", "f2py", "notes.txt", "python3-config")
    root = make(tmp_path, {f"bin/{name}": b"#!/bin/sh\n" for name in names})
    for name in ("python3.12", "f2py", "python3-config"):
        (root / "bin" / name).chmod(0o755)
    (root / "bin/python3").symlink_to("python3.12")
    (root / "bin/f2py3").symlink_to("f2py")
    (root / "bin/gone").symlink_to("nowhere")
    contents = read_contents(root, python="3.12.10", platform=LINUX)
    assert list(contents.scripts) == ["bin/f2py", "bin/f2py3", "bin/python3-config"]


def test_a_listing_does_not_follow_links(tmp_path: Path) -> None:
    make(tmp_path, {"a/b/c": b"1"})
    (tmp_path / "link").symlink_to("a")
    assert sorted(listing(tmp_path)) == ["a", "a/b", "a/b/c", "link"]
