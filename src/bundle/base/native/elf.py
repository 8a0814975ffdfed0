"""ELF files, read with LIEF."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.native.formats import machine_of
from bundle.base.native.native import Kind, Native, Need

if TYPE_CHECKING:
    import lief

_ISA_NEEDED = 0xC0008002
"""GNU_PROPERTY_X86_ISA_1_NEEDED; a bit of its value for each level."""

_LONGEST_NOTE = 4096

_TEXTREL = 0x4
"""DF_TEXTREL (ELF gABI, "Dynamic Section")."""


def has_symbols(path: Path) -> bool:
    """Return whether an ELF file has symbols or debug information that it runs without, and nothing behind them."""
    import lief

    binary = lief.ELF.parse(str(path))
    # Bytes behind the last section would be cut off: some executables carry their payload there.
    if binary is None or len(binary.overlay):
        return False
    names = {str(section.name) for section in binary.sections}
    return any(name == ".symtab" or name.startswith(".debug_") for name in names)


def read_elf(path: Path) -> Native | None:
    """Read an ELF file; None if it is damaged."""
    import lief

    options = lief.ELF.ParserConfig()
    for part in ("relocations", "dyn_symbols", "symtab_symbols", "notes", "overlay"):
        setattr(options, f"parse_{part}", False)
    binary = lief.ELF.parse(str(path), options)
    if binary is None:
        return None
    size = path.stat().st_size
    if max((part.file_offset + part.physical_size for part in binary.segments), default=0) > size:
        return None
    versions = {
        str(requirement.name): tuple(str(symbol.name) for symbol in requirement.get_auxiliary_symbols())
        for requirement in binary.symbols_version_requirement
    }
    rpath: list[str] = []
    runpath: list[str] = []
    name = ""
    written = False
    for entry in binary.dynamic_entries:
        if isinstance(entry, lief.ELF.DynamicEntryRunPath):
            runpath += entry.paths
        elif isinstance(entry, lief.ELF.DynamicEntryRpath):
            rpath += entry.paths
        elif isinstance(entry, lief.ELF.DynamicSharedObject):
            name = str(entry.name)
        elif isinstance(entry, lief.ELF.DynamicEntryFlags):
            written |= entry.tag == lief.ELF.DynamicEntry.TAG.FLAGS and bool(entry.value & _TEXTREL)
        written |= entry.tag == lief.ELF.DynamicEntry.TAG.TEXTREL
    header = binary.header
    kinds: dict[Any, Kind] = {lief.ELF.Header.FILE_TYPE.EXEC: "executable", lief.ELF.Header.FILE_TYPE.DYN: "library"}
    kind = kinds.get(header.file_type, "other")
    # A program that can be loaded anywhere is a shared object by its type; a library that can be started has a name.
    if kind == "library" and binary.has_interpreter and not name:
        kind = "executable"
    return Native(
        format="elf",
        kind=kind,
        machines=(machine_of(header.machine_type),),
        name=name,
        needs=tuple(Need(name=library, versions=versions.get(library, ())) for library in map(str, binary.libraries)),
        run_paths=tuple(filter(None, runpath or rpath)),
        inherited=not runpath,
        defines=frozenset(
            str(symbol.name)
            for definition in binary.symbols_version_definition
            for symbol in definition.auxiliary_symbols
        ),
        interpreter=str(binary.interpreter) if binary.has_interpreter else "",
        executable_stack=_executable_stack(binary),
        text_relocations=written,
        level=_level(binary),
        cut_off=header.section_header_offset + header.section_header_size * header.numberof_sections > size,
    )


def _executable_stack(binary: lief.ELF.Binary) -> bool:
    import lief

    for segment in binary.segments:
        if segment.type == lief.ELF.Segment.TYPE.GNU_STACK:
            return lief.ELF.Segment.FLAGS.X in segment.flags
    # What glibc takes without the segment is a fact of the machine (DEFAULT_STACK_PERMS in its stackinfo.h).
    return binary.header.machine_type in (lief.ELF.ARCH.X86_64, lief.ELF.ARCH.I386)


def _level(binary: lief.ELF.Binary) -> int:
    """Return the level of x86-64 that a GNU property note asks for (x86-64 psABI, "Program property")."""
    import lief

    if binary.header.machine_type != lief.ELF.ARCH.X86_64:
        return 1
    segment = binary.get(lief.ELF.Segment.TYPE.GNU_PROPERTY)
    data = bytes(segment.content[:_LONGEST_NOTE]) if segment is not None else b""
    place, level = 16, 1
    # A note's head and name, 4 numbers, then properties: type, size, and data that fill 8 bytes each.
    while place + 12 <= len(data):
        kind, size, value = struct.unpack_from("<3I", data, place)
        if kind == _ISA_NEEDED:
            level = max(level, value.bit_length())
        place += 8 + -(-size // 8) * 8
    return level
