import struct
import sys
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.machine import platforms_of


def _elf(machine: int, *, bits: int = 2) -> bytes:
    return b"\x7fELF" + bytes([bits, 1]) + bytes(10) + struct.pack("<HH", 3, machine)


def _pe(machine: int) -> bytes:
    head = bytearray(b"MZ" + bytes(254))
    struct.pack_into("<I", head, 60, 128)
    head[128:134] = b"PE\0\0" + struct.pack("<H", machine)
    return bytes(head)


def _universal(*types: int) -> bytes:
    return (
        b"\xca\xfe\xba\xbe" + struct.pack(">I", len(types)) + b"".join(struct.pack(">5I", t, 0, 0, 0, 0) for t in types)
    )


@pytest.mark.parametrize(
    ("head", "platforms"),
    [
        (_elf(62), {"linux-x64"}),
        (_elf(183), {"linux-aarch64"}),
        (_elf(3, bits=1), set()),
        (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C), {"macosx-aarch64"}),
        (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x01000007), {"macosx-x64"}),
        (_universal(0x01000007, 0x0100000C), {"macosx-x64", "macosx-aarch64"}),
        (_pe(0x8664), {"windows-x64"}),
        (_pe(0xAA64), set()),
        (b"#!/bin/sh\n", None),
        (b"\x7fELF", None),
        (b"MZ" + b"\xff" * 62, None),
        (b"", None),
    ],
)
def test_an_executable_tells_its_platform(tmp_path: Path, head: bytes, platforms: set[str] | None) -> None:
    file = tmp_path / "python"
    file.write_bytes(head)
    assert platforms_of(file) == platforms


@pytest.mark.skipif(sys.platform != "linux", reason="the running Python is an ELF file on Linux only")
def test_the_running_python_is_recognised() -> None:
    found = platforms_of(Path(sys.executable).resolve())
    assert found is not None
    assert found < {"linux-x64", "linux-aarch64"}
