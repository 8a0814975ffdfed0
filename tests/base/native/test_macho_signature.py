from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.native.read import read_native
from tests.base.nativemaker import macho, universal


def signature(path: Path, content: bytes, machine: str = "arm64") -> str | None:
    path.write_bytes(content)
    native = read_native(path, machine)
    assert native is not None
    return native.signature


def test_what_was_signed_and_not_changed_is_sound(tmp_path: Path) -> None:
    large = macho(run_paths=[f"@loader_path/{number:0200}" for number in range(100)])
    assert len(large) > 5 * 4096
    assert signature(tmp_path / "file", large) == "sound"


@pytest.mark.parametrize("place", [20, 5000, 12000])
def test_one_changed_byte_anywhere_voids_it(tmp_path: Path, place: int) -> None:
    content = bytearray(macho(run_paths=[f"@loader_path/{number:0200}" for number in range(100)]))
    content[place] ^= 1
    assert signature(tmp_path / "file", bytes(content)) == "void"


def test_a_signature_that_is_none_counts_as_void(tmp_path: Path) -> None:
    content = macho()
    start = content.index(b"\xfa\xde\x0c\xc0")
    assert signature(tmp_path / "file", content[:start] + bytes(len(content) - start)) == "void"
    assert signature(tmp_path / "file", content[:-40]) == "void"


def test_each_part_of_a_universal_file_has_its_own(tmp_path: Path) -> None:
    content = universal({"x86_64": macho(machine="x86_64", signed=False), "arm64": macho()})
    assert signature(tmp_path / "file", content, "arm64") == "sound"
    assert signature(tmp_path / "file", content, "x86_64") == "none"


def test_bytes_behind_the_signature_are_seen(tmp_path: Path) -> None:
    assert signature(tmp_path / "file", macho() + b"more") == "followed"
    both = universal({"x86_64": macho(machine="x86_64"), "arm64": macho()})
    assert signature(tmp_path / "file", both, "arm64") == "sound"
    assert signature(tmp_path / "file", both, "x86_64") == "sound"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("signed", [True, False])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, part: float, signed: bool) -> None:
    content = macho(run_paths=[f"@loader_path/{number:0200}" for number in range(100)], signed=signed)
    (tmp_path / "file").write_bytes(content[: int(len(content) * part)])
    native = read_native(tmp_path / "file")
    assert native is None or native.signature == "void"
