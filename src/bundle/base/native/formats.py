"""Formats and machines of native files, told by their first bytes and their names."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

Format = Literal["elf", "macho", "pe"]

HEAD = 4096
"""Bytes at the start of a file that `machines_in` takes."""

_MACHO_HEADS = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_FAT_HEADS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

_LIBRARY_NAMES: Mapping[Format, re.Pattern[str]] = {
    "elf": re.compile(r"\.so(\.[0-9.]+)?$", re.IGNORECASE),
    "macho": re.compile(r"\.(so|dylib)$", re.IGNORECASE),
    "pe": re.compile(r"\.(pyd|dll)$", re.IGNORECASE),
}


def native_format(head: bytes) -> Format | None:
    """Return the format that a file may have by its first four bytes."""
    if head[:4] == b"\x7fELF":
        return "elf"
    if head[:4] in _MACHO_HEADS or head[:4] in _FAT_HEADS:
        return "macho"
    return "pe" if head[:2] == b"MZ" else None


def is_library_name(path: str, binary_format: Format | None = None) -> bool:
    """Return whether a path is named like a library or module of a format, or of any."""
    formats = _LIBRARY_NAMES if binary_format is None else (binary_format,)
    return any(_LIBRARY_NAMES[one].search(path) for one in formats)


def machines_in(head: bytes) -> tuple[Format, tuple[str, ...]] | None:
    """Return a native file's format and machines by its header alone.

    Sources: ELF gABI (e_machine), Mach-O loader.h and fat.h (cputype), PE/COFF (Machine).

    Args:
        head: its first bytes, up to `HEAD`.

    Returns:
        None if it is no native file; no machines if it is not for 64 bits.
    """
    import lief

    lief.disable_leak_warning()  # As in `read_native`.
    kind = native_format(head)
    try:
        if kind == "elf":
            (number,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
            return kind, (machine_of(number, lief.ELF.ARCH),) if head[4] == 2 else ()
        if kind == "macho":
            return kind, tuple(machine_of(number, lief.MachO.Header.CPU_TYPE) for number in _cpu_types(head))
        if kind == "pe":
            (offset,) = struct.unpack_from("<I", head, 60)
            signature, number = struct.unpack_from("<4sH", head, offset)
            return (kind, (machine_of(number, lief.PE.Header.MACHINE_TYPES),)) if signature == b"PE\0\0" else None
    except (IndexError, struct.error):
        pass
    return None


def _cpu_types(head: bytes) -> Iterator[int]:
    if head[:4] not in _FAT_HEADS:
        order = "<" if head[:1] in (b"\xce", b"\xcf") else ">"
        yield struct.unpack_from(f"{order}I", head, 4)[0]
        return
    size = 20 if head[:4] == _FAT_HEADS[0] else 32
    # A Java class, which begins in the same way, has a version of 43 and more there.
    count = struct.unpack_from(">I", head, 4)[0]
    for index in range(count if count < 43 else 0):
        yield struct.unpack_from(">I", head, 8 + size * index)[0]


def machine_of(value: Any, known: Any = None) -> str:
    """Return a machine as wheel tags spell it, which is LIEF's name in lower case but for one."""
    if known is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with suppress(ValueError, TypeError):
                value = known.from_value(value)
    # LIEF gives the number of a machine that it does not know.
    name = str(getattr(value, "name", f"machine {value}"))
    return "x86" if name == "I386" else name.lower()
