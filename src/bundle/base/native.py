"""Native files (ELF, Mach-O, PE): machine, needed libraries, run paths, symbol versions; parsed, never run."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bundle.base.macho_signature import Signature, signature_of

if TYPE_CHECKING:
    import lief

Format = Literal["elf", "macho", "pe"]
Kind = Literal["executable", "library", "other"]

HEAD = 4096
"""Bytes at the start of a file that `machines_in` takes."""

_MACHO_HEADS = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_FAT_HEADS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

_LIBRARY_NAMES: Mapping[Format, re.Pattern[str]] = {
    "elf": re.compile(r"\.so(\.[0-9.]+)?$", re.IGNORECASE),
    "macho": re.compile(r"\.(so|dylib)$", re.IGNORECASE),
    "pe": re.compile(r"\.(pyd|dll)$", re.IGNORECASE),
}

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")

_GLIBC_OF_FEATURES = {"GLIBC_ABI_DT_RELR": "2.36", "GLIBC_ABI_GNU_TLS": "2.42", "GLIBC_ABI_GNU2_TLS": "2.42"}
"""Features of the dynamic linker that stand among the symbol versions, and the first glibc that has them."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """A library that a native file needs."""

    name: str
    """As the file spells it: a name, or a path that may begin with `@rpath` and the like."""
    weak: bool = False
    """Whether the file loads without it, or only when it is used."""
    versions: tuple[str, ...] = ()
    """ELF: the symbol versions that it needs of it."""


@dataclass(frozen=True, kw_only=True)
class Native:
    """A native file."""

    format: Format
    kind: Kind
    machines: tuple[str, ...]
    """As wheel tags spell them; several for a universal Mach-O file, of which all else describes one part."""
    name: str = ""
    """The name for the loader: ELF's SONAME, Mach-O's install name."""
    needs: tuple[Need, ...] = ()
    run_paths: tuple[str, ...] = ()
    """As the file spells them."""
    inherited: bool = False
    """ELF: whether its run paths also count for the needs of its libraries (DT_RPATH without DT_RUNPATH)."""
    defines: frozenset[str] = frozenset()
    """ELF: the symbol versions that it offers."""
    minimum: str = ""
    """Mach-O: the oldest macOS that it runs on."""
    interpreter: str = ""
    """ELF: the dynamic linker that it asks for."""
    signature: Signature | None = None
    """Mach-O: None for all else."""

    def fits(self, binary_format: Format, machine: str) -> bool:
        """Return whether a machine that loads a format could load or start it."""
        return self.format == binary_format and machine in self.machines and self.kind != "other"

    @cached_property
    def glibc(self) -> str:
        """The oldest glibc that it runs on, empty if it needs none: the one measure for interpreters and bundles."""
        needed = [""]
        for version in (version for need in self.needs for version in need.versions):
            match = _GLIBC.fullmatch(version)
            needed.append(match[1] if match else _GLIBC_OF_FEATURES.get(version, ""))
        return max(needed, key=dotted)


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

    kind = native_format(head)
    try:
        if kind == "elf":
            (number,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
            return kind, (_machine(number, lief.ELF.ARCH),) if head[4] == 2 else ()
        if kind == "macho":
            return kind, tuple(_machine(number, lief.MachO.Header.CPU_TYPE) for number in _cpu_types(head))
        if kind == "pe":
            (offset,) = struct.unpack_from("<I", head, 60)
            signature, number = struct.unpack_from("<4sH", head, offset)
            return (kind, (_machine(number, lief.PE.Header.MACHINE_TYPES),)) if signature == b"PE\0\0" else None
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


def read_native(path: Path, machine: str = "") -> Native | None:
    """Read a native file.

    Args:
        machine: as wheel tags spell it; the part for it is read of a universal file.

    Returns:
        None if it is no native file, or a damaged one.
    """
    with path.open("rb") as file:
        kind = native_format(file.read(4))
    if kind is None:
        return None
    import lief

    lief.logging.disable()
    with warnings.catch_warnings():
        # LIEF warns of machines that it does not know; the audit reports them itself.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return _elf(path) if kind == "elf" else _macho(path, machine) if kind == "macho" else _pe(path)
        except UnicodeDecodeError:
            return None


def has_symbols(path: Path) -> bool:
    """Return whether an ELF file has symbols or debug information that it runs without, and nothing behind them."""
    import lief

    binary = lief.ELF.parse(str(path))
    # Bytes behind the last section would be cut off: some executables carry their payload there.
    if binary is None or len(binary.overlay):
        return False
    names = {str(section.name) for section in binary.sections}
    return any(name == ".symtab" or name.startswith(".debug_") for name in names)


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


def _machine(value: Any, known: Any = None) -> str:
    """Return a machine as wheel tags spell it, which is LIEF's name in lower case but for one."""
    if known is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with suppress(ValueError, TypeError):
                value = known.from_value(value)
    # LIEF gives the number of a machine that it does not know.
    name = str(getattr(value, "name", f"machine {value}"))
    return "x86" if name == "I386" else name.lower()


def dotted(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to be compared; those of `GLIBC_2.34` are (2, 34)."""
    return tuple(map(int, re.findall(r"\d+", version.rpartition("_")[2])))
