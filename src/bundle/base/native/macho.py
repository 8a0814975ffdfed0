"""Mach-O files, read with LIEF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.native.formats import machine_of
from bundle.base.native.macho_signature import signature_of
from bundle.base.native.native import Kind, Native, Need

if TYPE_CHECKING:
    import lief


def read_macho(path: Path, machine: str) -> Native | None:
    """Read a Mach-O file; None if it is damaged."""
    import lief

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


def _macos(binary: lief.MachO.Binary) -> str:
    """Return the oldest macOS that a Mach-O file runs on, empty if it does not say."""
    version: tuple[int, ...] | list[int] = ()
    if binary.build_version is not None:
        version = binary.build_version.minos
    elif binary.version_min is not None:
        version = binary.version_min.version
    return ".".join(map(str, list(version)[:2]))
