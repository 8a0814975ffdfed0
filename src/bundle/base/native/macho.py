"""Mach-O files, read with LIEF."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.native.formats import machine_of
from bundle.base.native.macho_signature import signature_of
from bundle.base.native.native import Kind, Native, Need

if TYPE_CHECKING:
    import lief


_MAGICS = {
    b"\xce\xfa\xed\xfe": ("<", False),
    b"\xcf\xfa\xed\xfe": ("<", True),
    b"\xfe\xed\xfa\xce": (">", False),
    b"\xfe\xed\xfa\xcf": (">", True),
}
"""Byte order, and whether it has 64 bits, by the first bytes. Source: mach-o/loader.h."""

_FAT = {b"\xca\xfe\xba\xbe": False, b"\xca\xfe\xba\xbf": True}
"""Whether the places of the parts have 64 bits, by the first bytes of a universal file. Source: mach-o/fat.h."""

_SEGMENT, _SEGMENT_64 = 0x1, 0x19

_MOST_HEADER = 2**12
_MOST_COMMANDS = 10_000


def read_macho(path: Path, machine: str) -> Native | None:
    """Read a Mach-O file; None if it is damaged."""
    import lief

    if not _bounded(path):
        return None
    # The parts are gone when the whole is: it must outlive them.
    whole = lief.MachO.parse(str(path), lief.MachO.ParserConfig.quick)
    if whole is None:
        return None
    parts = list(whole)
    if not parts:
        return None
    by_machine = {machine_of(part.header.cpu_type): part for part in parts}
    binary = by_machine.get(machine, parts[0])
    kinds: dict[Any, Kind] = {
        lief.MachO.Header.FILE_TYPE.EXECUTE: "executable",
        lief.MachO.Header.FILE_TYPE.DYLIB: "library",
        lief.MachO.Header.FILE_TYPE.BUNDLE: "library",
    }
    identity = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    weak = (lief.MachO.LoadCommand.TYPE.LOAD_WEAK_DYLIB, lief.MachO.LoadCommand.TYPE.LAZY_LOAD_DYLIB)
    libraries = [(str(library.name), library.command) for library in binary.libraries]
    length = path.stat().st_size - binary.fat_offset
    if len(parts) > 1:
        length = min(length, binary.original_size)
    ends = (part.file_offset + part.file_size for part in binary.segments)
    if max(binary.header.sizeof_cmds, *ends, 0) > length:
        return None
    signed = binary.code_signature if binary.has_code_signature else None
    place = None if signed is None else (binary.fat_offset, signed.data_offset, signed.data_size)
    signature = signature_of(path, place)
    if signed is not None and signature == "sound" and signed.data_offset + signed.data_size < length:
        signature = "followed"
    return Native(
        format="macho",
        kind=kinds.get(binary.header.file_type, "other"),
        machines=tuple(by_machine),
        name=next((name for name, command in libraries if command == identity), ""),
        needs=tuple(Need(name=name, weak=command in weak) for name, command in libraries if command != identity),
        run_paths=tuple(str(command.path) for command in binary.rpaths),
        inherited=True,
        minimum=_macos(binary),
        signature=signature,
    )


def _bounded(path: Path) -> bool:
    """Return whether the segments of each part together are no larger than the file, as LIEF copies them all."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in _starts(file.read(_MOST_HEADER)):
            file.seek(start)
            header = file.read(32)
            if len(header) < 32 or header[:4] not in _MAGICS:
                continue
            order, wide = _MAGICS[header[:4]]
            count, length = struct.unpack_from(f"{order}II", header, 16)
            file.seek(start + (32 if wide else 28))
            commands = file.read(min(length, size))
            if count > _MOST_COMMANDS or _segments(commands, count, order) > 2 * size:
                return False
    return True


def _starts(head: bytes) -> list[int]:
    if head[:4] not in _FAT or len(head) < 8:
        return [0]
    wide = _FAT[head[:4]]
    form, step = (">IIQ", 32) if wide else (">III", 20)
    count = min(struct.unpack_from(">I", head, 4)[0], (len(head) - 8) // step)
    return [struct.unpack_from(form, head, 8 + number * step)[2] for number in range(count)]


def _segments(commands: bytes, count: int, order: str) -> int:
    """Return the bytes that all segments have in the file together."""
    total = place = 0
    for _ in range(count):
        if place + 8 > len(commands):
            break
        kind, length = struct.unpack_from(f"{order}II", commands, place)
        form = {_SEGMENT: (f"{order}I", 36), _SEGMENT_64: (f"{order}Q", 48)}.get(kind)
        if form is not None and place + form[1] + 8 <= len(commands):
            total += struct.unpack_from(form[0], commands, place + form[1])[0]
        place += max(length, 8)
    return total


def _macos(binary: lief.MachO.Binary) -> str:
    """Return the oldest macOS that a Mach-O file runs on, empty if it does not say."""
    version: tuple[int, ...] | list[int] = ()
    if binary.build_version is not None:
        version = binary.build_version.minos
    elif binary.version_min is not None:
        version = binary.version_min.version
    return ".".join(map(str, list(version)[:2]))
