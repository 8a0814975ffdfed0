"""What a native file says of itself: ELF, Mach-O and PE, read with LIEF and never run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bundle.base.macho_signature import Signature, signature_of

if TYPE_CHECKING:
    import lief

Format = Literal["elf", "macho", "pe"]
Kind = Literal["executable", "library", "other"]

FORMATS: Mapping[str, Format] = {"linux": "elf", "macosx": "macho", "windows": "pe"}
"""What a system loads."""

_MACHO_HEADS = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_FAT_HEADS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

_MACHINES = {
    "X86_64": "x86_64",
    "AARCH64": "aarch64",
    "ARM64": "arm64",
    "AMD64": "amd64",
    "I386": "x86",
    "X86": "x86",
}
"""LIEF's names to those of `Platform.machine`; others pass in lower case."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """A library that a native file needs."""

    name: str
    """As the file spells it: a name, or a path that may begin with `@rpath` and the like."""
    weak: bool = False
    """Whether the file is content without it, or asks for it only when it uses it."""
    versions: tuple[str, ...] = ()
    """ELF: the symbol versions that it needs of it."""


@dataclass(frozen=True, kw_only=True)
class Native:
    """A native file."""

    format: Format
    kind: Kind
    machines: tuple[str, ...]
    """What it is for; several for a universal Mach-O file. All else is about the one for the bundle's machine."""
    name: str = ""
    """What others call it: ELF's SONAME, Mach-O's install name."""
    needs: tuple[Need, ...] = ()
    run_paths: tuple[str, ...] = ()
    """As the file spells them."""
    inherited: bool = False
    """ELF: whether its run paths also count for what its libraries need (DT_RPATH without DT_RUNPATH)."""
    defines: frozenset[str] = frozenset()
    """ELF: the symbol versions that it offers."""
    minimum: str = ""
    """Mach-O: the oldest macOS that it runs on."""
    interpreter: str = ""
    """ELF: the dynamic linker that it asks for."""
    signature: Signature | None = None
    """Mach-O: None for all else."""

    def fits(self, system: str, machine: str) -> bool:
        """Return whether a machine of a system could load or start it."""
        right = self.format == FORMATS[system] and machine in self.machines
        return right and self.kind != "other"


def native_format(head: bytes) -> Format | None:
    """Return what a file may be by its first four bytes."""
    if head == b"\x7fELF":
        return "elf"
    if head in _MACHO_HEADS or head in _FAT_HEADS:
        return "macho"
    return "pe" if head[:2] == b"MZ" else None


def read_native(path: Path, kind: Format, machine: str) -> Native | None:
    """Read a native file.

    Args:
        path: the file.
        kind: what it may be by its first bytes.
        machine: the bundle's, as wheel tags spell it; of a universal file, that part is read.

    Returns:
        None if it is no such file after all (a Java class begins as a universal Mach-O file does), or a damaged one.
    """
    import lief

    lief.logging.disable()
    with warnings.catch_warnings():
        # LIEF warns of machines that it does not know; the audit tells of them itself.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return _elf(path) if kind == "elf" else _macho(path, machine) if kind == "macho" else _pe(path)
        except UnicodeDecodeError:
            return None


def _elf(path: Path) -> Native | None:
    import lief

    options = lief.ELF.ParserConfig()
    for part in ("relocations", "dyn_symbols", "symtab_symbols", "notes", "overlay"):
        setattr(options, f"parse_{part}", False)
    binary = lief.ELF.parse(str(path), options)
    if binary is None or _ends(segment.file_offset + segment.physical_size for segment in binary.segments) > _size(
        path
    ):
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
        machines=(_machine(binary.header.machine_type),),
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


def _macho(path: Path, machine: str) -> Native | None:
    import lief

    # The parts are gone when the whole is: it must outlive them.
    whole = lief.MachO.parse(str(path), lief.MachO.ParserConfig.quick)
    if whole is None:
        return None
    parts = list(whole)
    if not parts:
        return None
    by_machine = {_machine(part.header.cpu_type): part for part in parts}
    binary = by_machine.get(machine, parts[0])
    kinds: dict[Any, Kind] = {
        lief.MachO.Header.FILE_TYPE.EXECUTE: "executable",
        lief.MachO.Header.FILE_TYPE.DYLIB: "library",
        lief.MachO.Header.FILE_TYPE.BUNDLE: "library",
    }
    identity = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    weak = (lief.MachO.LoadCommand.TYPE.LOAD_WEAK_DYLIB, lief.MachO.LoadCommand.TYPE.LAZY_LOAD_DYLIB)
    libraries = [(str(library.name), library.command) for library in binary.libraries]
    signed = binary.code_signature if binary.has_code_signature else None
    place = None if signed is None else (binary.fat_offset, signed.data_offset, signed.data_size)
    return Native(
        format="macho",
        kind=kinds.get(binary.header.file_type, "other"),
        machines=tuple(by_machine),
        name=next((name for name, command in libraries if command == identity), ""),
        needs=tuple(Need(name=name, weak=command in weak) for name, command in libraries if command != identity),
        run_paths=tuple(str(command.path) for command in binary.rpaths),
        inherited=True,
        minimum=_macos(binary),
        signature=signature_of(path, place),
    )


def _macos(binary: lief.MachO.Binary) -> str:
    """Return the oldest macOS that a Mach-O file runs on, empty if it does not say."""
    version: tuple[int, ...] | list[int] = ()
    if binary.build_version is not None:
        version = binary.build_version.minos
    elif binary.version_min is not None:
        version = binary.version_min.version
    return ".".join(map(str, list(version)[:2]))


def _pe(path: Path) -> Native | None:
    import lief

    options = lief.PE.ParserConfig()
    for part in ("signature", "rsrc", "reloc", "exports", "exceptions", "arm64x_binary"):
        if hasattr(options, f"parse_{part}"):
            setattr(options, f"parse_{part}", False)
    binary = lief.PE.parse(str(path), options)
    if binary is None or _ends(section.offset + section.sizeof_raw_data for section in binary.sections) > _size(path):
        return None
    library = lief.PE.Header.CHARACTERISTICS.DLL in binary.header.characteristics_list
    return Native(
        format="pe",
        kind="library" if library else "executable",
        machines=(_machine(binary.header.machine),),
        needs=(
            *(Need(name=str(one.name)) for one in binary.imports),
            *(Need(name=str(one.name), weak=True) for one in _delayed(binary)),
        ),
    )


def _delayed(binary: lief.PE.Binary) -> Iterator[lief.PE.DelayImport]:
    if binary.has_delay_imports:
        yield from binary.delay_imports


def _ends(places: Iterable[int]) -> int:
    """Return how long a file must be to hold all its parts."""
    return max(places, default=0)


def _size(path: Path) -> int:
    return path.stat().st_size


def _machine(value: Any) -> str:
    # Of what it does not know, LIEF gives the number.
    name = str(getattr(value, "name", f"machine {value}"))
    return _MACHINES.get(name, name.lower())


def dotted(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to be compared; those of `GLIBC_2.34` are (2, 34)."""
    return tuple(map(int, re.findall(r"\d+", version.rpartition("_")[2])))
