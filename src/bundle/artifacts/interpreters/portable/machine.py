"""Which platform an executable was built for, read from its first bytes."""

from __future__ import annotations

import struct
from pathlib import Path

_ELF = {62: "linux-x64", 183: "linux-aarch64"}
_MACHO = {0x01000007: "macosx-x64", 0x0100000C: "macosx-aarch64"}
_PE = {0x8664: "windows-x64"}


def platforms_of(executable: Path) -> frozenset[str] | None:
    """Return the keys of the platforms that a native executable runs on.

    Several only for a universal macOS file; none for a platform that is none of ours; None if it is no native
    executable at all. Sources: ELF gABI (e_machine), Mach-O loader.h and fat.h (cputype), PE/COFF (Machine).

    Args:
        executable: an existing file.
    """
    with executable.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        machine = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)[0]
        return _named(_ELF.get(machine)) if head[4] == 2 else frozenset()
    if head[:4] == b"\xcf\xfa\xed\xfe" and len(head) >= 8:
        return _named(_MACHO.get(struct.unpack_from("<I", head, 4)[0]))
    if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8:
        return _universal(head)
    if head[:2] == b"MZ" and len(head) >= 64:
        offset = struct.unpack_from("<I", head, 60)[0]
        if len(head) >= offset + 6 and head[offset : offset + 4] == b"PE\0\0":
            return _named(_PE.get(struct.unpack_from("<H", head, offset + 4)[0]))
    return None


def _universal(head: bytes) -> frozenset[str]:
    count = min(struct.unpack_from(">I", head, 4)[0], (len(head) - 8) // 20)
    types = (struct.unpack_from(">I", head, 8 + 20 * index)[0] for index in range(count))
    return frozenset(_MACHO[kind] for kind in types if kind in _MACHO)


def _named(key: str | None) -> frozenset[str]:
    return frozenset() if key is None else frozenset({key})
