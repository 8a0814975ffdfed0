from __future__ import annotations

import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.native.formats import Format, is_library_name, machines_in, native_format
from bundle.base.native.read import read_native
from tests.base.nativemaker import elf, macho, pe, universal


def elf_head(machine: int, *, bits: int = 2) -> bytes:
    return b"\x7fELF" + bytes([bits, 1]) + bytes(10) + struct.pack("<HH", 3, machine)


def pe_head(machine: int) -> bytes:
    head = bytearray(b"MZ" + bytes(254))
    struct.pack_into("<I", head, 60, 128)
    head[128:134] = b"PE\0\0" + struct.pack("<H", machine)
    return bytes(head)


def universal_head(*types: int) -> bytes:
    parts = b"".join(struct.pack(">5I", kind, 0, 0, 0, 0) for kind in types)
    return b"\xca\xfe\xba\xbe" + struct.pack(">I", len(types)) + parts


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (elf_head(62), ("elf", ("x86_64",))),
        (elf_head(183), ("elf", ("aarch64",))),
        (elf_head(62, bits=1), ("elf", ())),
        (elf_head(65000), ("elf", ("machine 65000",))),
        (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C), ("macho", ("arm64",))),
        (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x01000007), ("macho", ("x86_64",))),
        (universal_head(0x01000007, 0x0100000C), ("macho", ("x86_64", "arm64"))),
        (b"\xca\xfe\xba\xbe" + struct.pack(">HH", 0, 52) + bytes(100), ("macho", ())),
        (pe_head(0x8664), ("pe", ("amd64",))),
        (pe_head(0xAA64), ("pe", ("arm64",))),
        (pe_head(0x14C), ("pe", ("x86",))),
        (b"#!/bin/sh\n", None),
        (b"\x7fELF", None),
        (b"MZ" + b"\xff" * 62, None),
        (b"", None),
    ],
)
def test_a_header_tells_format_and_machines(head: bytes, expected: tuple[Format, tuple[str, ...]] | None) -> None:
    assert machines_in(head) == expected


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        (elf(machine="aarch64"), "elf"),
        (elf(machine="x86"), "elf"),
        (macho(machine="x86_64"), "macho"),
        (universal({"x86_64": macho(machine="x86_64"), "arm64": macho()}), "macho"),
        (pe(), "pe"),
        (pe(machine="arm64", program=True), "pe"),
    ],
)
def test_header_and_whole_file_agree(tmp_path: Path, content: bytes, format_: Format) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    native = read_native(path)
    assert native is not None
    assert machines_in(content) == (native.format, native.machines)
    assert native.format == format_ == native_format(content)
    assert all(native.fits(format_, machine) for machine in native.machines)
    assert not native.fits(format_, "riscv64")


@pytest.mark.skipif(sys.platform != "linux", reason="the running Python is an ELF file on Linux only")
def test_the_running_python_is_read() -> None:
    native = read_native(Path(sys.executable).resolve())
    assert native is not None
    assert native.kind == "executable"
    assert native.glibc.startswith("2.")
    assert any(need.name == "libc.so.6" for need in native.needs)


@pytest.mark.parametrize(
    ("versions", "glibc"),
    [
        ({}, ""),
        ({"libc.so.6": ["GLIBC_2.9", "GLIBC_2.17"], "libm.so.6": ["GLIBC_2.4"]}, "2.17"),
        ({"libc.so.6": ["GLIBC_2.17", "GLIBC_ABI_DT_RELR"]}, "2.36"),
        ({"libc.so.6": ["GLIBC_2.38", "GLIBC_ABI_DT_RELR"]}, "2.38"),
        ({"libstdc++.so.6": ["GLIBCXX_3.4.30"], "libc.so.6": ["GLIBC_PRIVATE"]}, ""),
    ],
)
def test_the_oldest_glibc_follows_symbol_versions_and_features(
    tmp_path: Path, versions: dict[str, list[str]], glibc: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(elf(versions=versions))
    native = read_native(path)
    assert native is not None
    assert native.glibc == glibc


@pytest.mark.parametrize(
    ("path", "formats"),
    [
        ("a/libb.so", {"elf", "macho"}),
        ("a/libb.so.1.2", {"elf"}),
        ("a/b.dylib", {"macho"}),
        ("a/b.PYD", {"pe"}),
        ("a/b.dll", {"pe"}),
        ("a/b.sob", set()),
        ("so", set()),
    ],
)
def test_libraries_are_named_by_format(path: str, formats: set[Format]) -> None:
    kinds: tuple[Format, ...] = ("elf", "macho", "pe")
    assert {kind for kind in kinds if is_library_name(path, kind)} == formats
    assert is_library_name(path) == bool(formats)


@given(st.data())
def test_no_damage_makes_the_reader_fail(data: st.DataObject) -> None:
    contents: tuple[tuple[Format, bytes], ...] = (
        ("elf", elf(needed=["liba.so"], name="libb.so", versions={"libc.so.6": ["GLIBC_2.9"]}, defines=["A"])),
        ("macho", universal({"x86_64": macho(machine="x86_64", needed=["@rpath/a"]), "arm64": macho(name="b")})),
        ("pe", pe(needed=["a.dll"])),
    )
    kind, content = data.draw(st.sampled_from(contents))
    damaged = bytearray(content[: data.draw(st.integers(8, len(content)))])
    for place in data.draw(st.lists(st.integers(4, min(len(damaged), 1500) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(damaged)
        native = read_native(path, "x86_64")
        assert native is None or native.format == kind
        machines_in(bytes(damaged))
