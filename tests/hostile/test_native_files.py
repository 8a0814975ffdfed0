"""Native files whose tables overlap, so that they claim to hold far more than they have."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest

from bundle.base.native.read import read_native
from tests.base.nativemaker import pe

_HEADER_64 = struct.Struct("<IIIIIIII")
_SEGMENT_64 = struct.Struct("<II16sQQQQIIII")


def _macho(*, segments: int, size: int, count: int | None = None) -> bytes:
    """Return a Mach-O library whose segments all stand for the whole file."""
    commands = b"".join(
        _SEGMENT_64.pack(0x19, _SEGMENT_64.size, b"__TEXT", 0, size, 0, size, 5, 5, 0, 0) for _ in range(segments)
    )
    number = segments if count is None else count
    head = _HEADER_64.pack(0xFEEDFACF, 0x0100000C, 0, 6, number, len(commands), 0, 0)
    return (head + commands).ljust(size, b"\0")


def _universal(part: bytes) -> bytes:
    """Return a universal file with one part."""
    head = struct.pack(">II", 0xCAFEBABE, 1) + struct.pack(">IIIII", 0x0100000C, 0, 4096, len(part), 12)
    return head.ljust(4096, b"\0") + part


def _with_imports(content: bytes, *, descriptors: int, thunks: int) -> bytes:
    """Return a PE file whose import descriptors all share one name and one long table of functions."""
    binary = bytearray(content)
    start = struct.unpack_from("<I", binary, 0x3C)[0]
    optional = start + 24
    sections = optional + struct.unpack_from("<H", binary, start + 20)[0]
    raw = len(binary)
    virtual = 0x100000
    table = (descriptors + 1) * 20
    functions = b"".join(struct.pack("<Q", 1 << 63 | number % 60000 + 1) for number in range(thunks)) + bytes(8)
    name = b"shared.dll\0"
    entry = struct.pack("<IIIII", virtual + table + 16, 0, 0, virtual + table, virtual + table + 16)
    block = (entry * descriptors + bytes(20)) + name.ljust(16, b"\0") + functions
    # The last section becomes the one with the table.
    last = sections + 40 * (struct.unpack_from("<H", binary, start + 6)[0] - 1)
    struct.pack_into("<IIII", binary, last + 8, len(block), virtual, len(block), raw)
    struct.pack_into("<II", binary, optional + 112 + 8, virtual, len(block))
    return bytes(binary) + block


def _peak(path: Path) -> int:
    tracemalloc.start()
    try:
        read_native(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_macho(segments=20_000, size=2**21), id="many-segments"),
        pytest.param(_universal(_macho(segments=20_000, size=2**21)), id="many-segments-in-a-universal-file"),
        pytest.param(_macho(segments=3, size=2**21), id="three-segments-of-the-whole-file"),
        pytest.param(_macho(segments=1, size=2**16, count=2**31), id="more-commands-than-there-are"),
        pytest.param(b"\xca\xfe\xba\xbe", id="four-bytes"),
        pytest.param(b"\xca\xfe\xba\xbf\xff\xff\xff\xff", id="parts-without-end"),
    ],
)
def test_a_macho_file_whose_segments_are_larger_than_itself_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lib.dylib").write_bytes(content)

    assert read_native(tmp_path / "lib.dylib") is None
    assert _peak(tmp_path / "lib.dylib") < 2**24


@pytest.mark.parametrize(("descriptors", "thunks"), [(20_000, 20_000), (2_000, 100_000)])
def test_the_imports_of_a_pe_file_cost_no_more_than_their_names(tmp_path: Path, descriptors: int, thunks: int) -> None:
    (tmp_path / "module.pyd").write_bytes(_with_imports(pe(), descriptors=descriptors, thunks=thunks))

    native = read_native(tmp_path / "module.pyd")

    assert native is not None
    assert {need.name for need in native.needs} == {"shared.dll"}
    assert _peak(tmp_path / "module.pyd") < 2**26
