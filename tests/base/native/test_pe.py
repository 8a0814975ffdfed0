from __future__ import annotations

import shutil
import struct
import zipfile
from pathlib import Path
from random import Random

import pytest

from bundle.base.native.native import Native
from bundle.base.native.read import read_native
from tests.base.nativemaker import pe
from tests.foreign import windows_x64


def read(folder: Path, content: bytes) -> Native:
    path = folder / "file"
    path.write_bytes(content)
    found = read_native(path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("flags", "managed"),
    [(None, False), (0x1, True), (0x9, True), (0x0, False), (0x3, False)],
)
def test_an_assembly_without_machine_code_is_for_every_machine(
    tmp_path: Path, flags: int | None, managed: bool
) -> None:
    assert read(tmp_path, pe(machine="x86", managed=flags)).managed is managed


@pytest.mark.parametrize(
    ("version", "minimum"), [((5, 2), ""), ((6, 0), ""), ((6, 2), "8"), ((6, 3), "8.1"), ((10, 0), "10")]
)
def test_the_header_asks_for_a_windows(tmp_path: Path, version: tuple[int, int], minimum: str) -> None:
    assert read(tmp_path, pe(windows=version)).minimum == minimum


def test_a_file_without_a_signature_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, pe()).signature == "none"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """CPython's `python.exe`, signed by the Python Software Foundation."""
    folder = tmp_path_factory.mktemp("signed")
    with zipfile.ZipFile(windows_x64.prepare().path) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/python.exe") or one == "python.exe")
        content = archive.read(name)
    shutil.rmtree(folder)
    return content


@pytest.mark.real
def test_authenticode_fits_what_was_signed_and_nothing_else(tmp_path: Path, signed: bytes) -> None:
    assert read(tmp_path, signed).signature == "sound"
    for place in (500, len(signed) // 3, len(signed) // 2):
        changed = bytearray(signed)
        changed[place] ^= 1
        assert read(tmp_path, bytes(changed)).signature == "void"


@pytest.mark.real
def test_a_signature_that_is_cut_off_or_blank_is_seen(tmp_path: Path, signed: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(signed[:-100])
    assert read_native(path) is None
    assert read(tmp_path, signed[:-14100] + bytes(14100)).signature == "void"


@pytest.mark.real
def test_no_damage_to_a_signed_file_makes_the_reader_fail(tmp_path: Path, signed: bytes) -> None:
    random = Random(7)
    for _ in range(300):
        damaged = bytearray(signed[: random.choice((len(signed), random.randrange(300, len(signed))))])
        for _ in range(random.randrange(1, 6)):
            start = random.choice((0, max(0, len(damaged) - 15000), 0))
            damaged[min(len(damaged) - 1, start + random.randrange(1500))] = random.randrange(256)
        path = tmp_path / "file"
        path.write_bytes(damaged)
        found = read_native(path)
        assert found is None or found.format == "pe"


def test_libraries_that_are_loaded_late_are_weak_needs(tmp_path: Path) -> None:
    content = bytearray(pe(needed=["first.dll"]))
    base, raw = 0x1000, 0x200
    table = len(content) - raw
    # One descriptor with relative addresses, the end of the table, and the name (Microsoft, "PE Format").
    content += struct.pack("<8I", 1, base + table + 64, 0, 0, 0, 0, 0, 0) + bytes(32) + b"late.dll\0"
    content += bytes(-len(content) % 0x200)
    optional = 64 + 24
    struct.pack_into("<II", content, optional + 112 + 8 * 13, base + table, 32)
    section = optional + 240
    struct.pack_into("<I", content, section + 8, len(content) - raw)
    struct.pack_into("<I", content, section + 16, len(content) - raw)

    needs = read(tmp_path, bytes(content)).needs

    assert [(need.name, need.weak) for need in needs] == [("first.dll", False), ("late.dll", True)]
