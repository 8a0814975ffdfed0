from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.certificates import compiled_in, launcher_part
from bundle.model.platforms import PLATFORMS

PYTHON = "3.12.10"


@pytest.mark.parametrize(
    ("key", "holder", "place"),
    [
        ("linux-x64", "bin/python3.12", "/etc/ssl"),
        ("linux-x64", "lib/libcrypto.so.3", "/usr/lib/ssl"),
        ("macosx-aarch64", "lib/python3.12/lib-dynload/_ssl.cpython-312-darwin.so", "/etc/ssl"),
        ("windows-x64", "DLLs/libcrypto-3.dll", r"C:\Program Files\Common Files\SSL"),
        ("windows-x64", "libcrypto-3-x64.dll", r"C:\Program Files\Common Files\SSL"),
    ],
)
def test_the_place_is_read_from_the_file_that_holds_openssl(tmp_path: Path, key: str, holder: str, place: str) -> None:
    (tmp_path / holder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / holder).write_bytes(b'\x7fELF\0OPENSSLDIR: "' + place.encode() + b'"\0/cert.pem\0')
    assert compiled_in(tmp_path, PLATFORMS[key], PYTHON) == place


def test_an_interpreter_without_openssl_has_none(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.12").write_bytes(b'OPENSSLDIR: "' + b"x" * 1000)
    assert compiled_in(tmp_path, PLATFORMS["linux-x64"], PYTHON) == ""


def test_a_place_is_no_shell_code() -> None:
    part = launcher_part("/x'; $(rm y)", PYTHON).decode()
    assert """[ -e '/x'"'"'; $(rm y)/cert.pem' ]""" in part
