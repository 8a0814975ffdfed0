"""ELF files, read with LIEF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle.base.native.formats import machine_of
from bundle.base.native.native import Kind, Native, Need


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
    if max((part.file_offset + part.physical_size for part in binary.segments), default=0) > path.stat().st_size:
        return None
    versions = {
        str(requirement.name): tuple(str(symbol.name) for symbol in requirement.get_auxiliary_symbols())
        for requirement in binary.symbols_version_requirement
    }
    rpath: list[str] = []
    runpath: list[str] = []
    name = ""
    for entry in binary.dynamic_entries:
        if isinstance(entry, lief.ELF.DynamicEntryRunPath):
            runpath += entry.paths
        elif isinstance(entry, lief.ELF.DynamicEntryRpath):
            rpath += entry.paths
        elif isinstance(entry, lief.ELF.DynamicSharedObject):
            name = str(entry.name)
    kinds: dict[Any, Kind] = {lief.ELF.Header.FILE_TYPE.EXEC: "executable", lief.ELF.Header.FILE_TYPE.DYN: "library"}
    kind = kinds.get(binary.header.file_type, "other")
    # A program that can be loaded anywhere is a shared object by its type; a library that can be started has a name.
    if kind == "library" and binary.has_interpreter and not name:
        kind = "executable"
    return Native(
        format="elf",
        kind=kind,
        machines=(machine_of(binary.header.machine_type),),
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
    )
