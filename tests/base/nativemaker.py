"""Makes the smallest native files that say what a test wants them to say; none of them could run."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence

_ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "x86": 3}
_MACHO_MACHINES = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0)}
_PE_MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "x86": 0x14C}

_LOAD, _DYNAMIC, _INTERP, _NOTE, _STACK, _PROPERTY = 1, 2, 3, 4, 0x6474E551, 0x6474E553


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def elf(
    *,
    machine: str = "x86_64",
    needed: Iterable[str] = (),
    name: str = "",
    rpath: str = "",
    runpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    defines: Sequence[str] = (),
    interpreter: str = "",
    initialises: str = "",
    stack: str = "RW",
    text_relocations: bool = False,
    level: int = 1,
) -> bytes:
    """Return a shared object, or a program if it names an interpreter.

    Args:
        machine: as wheel tags spell it.
        needed: libraries.
        name: its SONAME.
        rpath: DT_RPATH.
        runpath: DT_RUNPATH.
        versions: symbol versions that it needs, by library.
        defines: symbol versions that it offers.
        interpreter: the dynamic linker that it asks for.
        initialises: the module that it exports the function of.
        stack: what the stack must be, of R, W and X; empty to say nothing.
        text_relocations: whether its code is written into.
        level: of x86-64, as its property note says.
    """
    strings = _Strings()
    libraries = list(dict.fromkeys((*needed, *(versions or {}))))
    dynamic = [(1, strings.add(library)) for library in libraries]
    dynamic += [(tag, strings.add(text)) for tag, text in ((14, name), (15, rpath), (29, runpath)) if text]
    if initialises:
        strings.add(f"PyInit_{initialises}")
    needs = _version_needs(versions or {}, strings)
    offers = _version_definitions(defines, strings)
    headers = 64 + 56 * (2 + bool(interpreter) + bool(stack) + 2 * (level > 1))
    parts: list[bytes] = []

    def place(data: bytes) -> int:
        offset = headers + sum(map(len, parts))
        parts.append(data + bytes(-len(data) % 8))
        return offset

    linker = place(interpreter.encode() + b"\0") if interpreter else 0
    dynamic += [(5, place(strings.data)), (10, len(strings.data)), (6, place(bytes(24))), (11, 24)]
    if needs:
        dynamic += [(0x6FFFFFFE, place(needs)), (0x6FFFFFFF, len(versions or {}))]
    if offers:
        dynamic += [(0x6FFFFFFC, place(offers)), (0x6FFFFFFD, len(defines))]
    if text_relocations:
        dynamic.append((22, 0))
    table = b"".join(struct.pack("<QQ", tag, value) for tag, value in (*dynamic, (0, 0)))
    start = place(table)
    note = struct.pack("<3I4s4I", 4, 16, 5, b"GNU\0", 0xC0008002, 4, (1 << level) - 1, 0)
    noted = place(note) if level > 1 else 0
    size = headers + sum(map(len, parts))
    segments = [(_LOAD, 0, size), (_DYNAMIC, start, len(table))]
    if interpreter:
        segments.insert(0, (_INTERP, linker, len(interpreter) + 1))
    if stack:
        segments.append((_STACK, 0, 0))
    if level > 1:
        segments += [(_NOTE, noted, len(note)), (_PROPERTY, noted, len(note))]
    head = b"\x7fELF\2\1\1" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, _ELF_MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    for kind, offset, length in segments:
        flags = sum(4 >> "RWX".index(letter) for letter in stack) if kind == _STACK else 7
        head += struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, length, length, 8)
    return head + b"".join(parts)


def _version_needs(versions: Mapping[str, Sequence[str]], strings: _Strings) -> bytes:
    data = b""
    for number, (library, names) in enumerate(versions.items(), 1):
        last = number == len(versions)
        file = strings.data.index(library.encode() + b"\0")
        data += struct.pack("<HHIII", 1, len(names), file, 16, 0 if last else 16 + 16 * len(names))
        for place, name in enumerate(names, 1):
            data += struct.pack("<IHHII", 0, 0, place + 1, strings.add(name), 0 if place == len(names) else 16)
    return data


def _version_definitions(names: Sequence[str], strings: _Strings) -> bytes:
    data = b""
    for place, name in enumerate(names, 1):
        data += struct.pack("<HHHHIII", 1, 0, place, 1, 0, 20, 0 if place == len(names) else 28)
        data += struct.pack("<II", strings.add(name), 0)
    return data


def macho(
    *,
    machine: str = "arm64",
    needed: Iterable[str] = (),
    weak: Iterable[str] = (),
    name: str = "",
    run_paths: Iterable[str] = (),
    minimum: str = "11.0",
    signed: bool = True,
    program: bool = False,
) -> bytes:
    """Return a Mach-O file for one machine.

    Args:
        machine: as wheel tags spell it.
        needed: libraries.
        weak: libraries that it can do without.
        name: its install name.
        run_paths: its run paths.
        minimum: the macOS that it asks for.
        signed: whether it has a code signature, which is sound.
        program: whether it is a program.
    """
    commands = [_library(0xD, name)] if name else []
    commands += [_library(0xC, one) for one in needed]
    commands += [_library(0x80000018, one) for one in weak]
    commands += [_command(0x8000001C, struct.pack("<I", 12), one) for one in run_paths]
    major, minor = map(int, minimum.split("."))
    commands.append(struct.pack("<6I", 0x32, 24, 1, major << 16 | minor << 8, major << 16 | minor << 8, 0))
    size = 72 + sum(map(len, commands)) + (16 if signed else 0)
    code = -(-(32 + size + 64) // 16) * 16
    commands.insert(0, struct.pack("<2I16s4Q4I", 0x19, 72, b"__TEXT", 0, code, 0, code, 5, 5, 0, 0))
    if signed:
        commands.append(struct.pack("<4I", 0x1D, 16, code, len(_signature(bytes(code)))))
    kind = 2 if program else 6 if name else 8
    head = struct.pack("<8I", 0xFEEDFACF, *_MACHO_MACHINES[machine], kind, len(commands), size, 0, 0)
    body = head + b"".join(commands)
    body += bytes(code - len(body))
    return body + (_signature(body) if signed else b"")


def universal(parts: Mapping[str, bytes]) -> bytes:
    """Return a universal Mach-O file of one part for each machine."""
    offset = 4096
    head = struct.pack(">2I", 0xCAFEBABE, len(parts))
    body = b""
    for machine, data in parts.items():
        head += struct.pack(">5I", *_MACHO_MACHINES[machine], offset + len(body), len(data), 12)
        body += data + bytes(-len(data) % 4096)
    return head + bytes(offset - len(head)) + body


def _library(command: int, name: str) -> bytes:
    return _command(command, struct.pack("<4I", 24, 0, 0x10000, 0x10000), name)


def _command(command: int, fields: bytes, text: str) -> bytes:
    data = fields + text.encode() + b"\0"
    data += bytes(-len(data) % 8)
    return struct.pack("<2I", command, 8 + len(data)) + data


def _signature(code: bytes) -> bytes:
    identifier = b"made\0"
    hashes = [hashlib.sha256(code[start : start + 4096]).digest() for start in range(0, len(code), 4096)]
    first = 44 + len(identifier)
    length = first + 32 * len(hashes)
    directory = struct.pack(">9I", 0xFADE0C02, length, 0x20001, 2, first, 44, 0, len(hashes), len(code))
    directory += struct.pack(">4BI", 32, 2, 0, 12, 0) + identifier + b"".join(hashes)
    return struct.pack(">5I", 0xFADE0CC0, 20 + len(directory), 1, 0, 20) + directory


def pe(
    *,
    machine: str = "amd64",
    needed: Iterable[str] = (),
    program: bool = False,
    windows: tuple[int, int] = (6, 0),
    managed: int | None = None,
) -> bytes:
    """Return a Windows library, or program.

    Args:
        machine: as wheel tags spell it.
        needed: libraries, each for one function.
        program: whether it is a program.
        windows: the version of NT that it asks for.
        managed: the flags of its .NET header, if it has one.
    """
    base, raw = 0x1000, 0x200
    libraries = list(needed)
    table = 20 * (len(libraries) + 1)
    section = b""
    descriptors = b""
    for library in libraries:
        start = base + table + len(section)
        thunks = struct.pack("<QQ", start + 32, 0)
        # Two lists that name one function, then the function's name, then the library's.
        section += thunks + thunks + b"\0\0function\0\0" + library.encode() + b"\0"
        section += bytes(-len(section) % 8)
        descriptors += struct.pack("<5I", start, 0, 0, start + 44, start + 16)
    section = descriptors + bytes(20) + section
    clr = base + len(section)
    if managed is not None:
        section += struct.pack("<IHHIII", 72, 2, 5, 0, 0, managed) + bytes(52)
    section += bytes(-len(section) % 0x200)
    coff = struct.pack("<HHIIIHH", _PE_MACHINES[machine], 1, 0, 0, 0, 240, 0x22 if program else 0x2022)
    optional = struct.pack("<HBB5I", 0x20B, 14, 0, 0, len(section), 0, 0, base)
    optional += struct.pack("<QII6HIIII", 0x140000000, 0x1000, 0x200, 6, 0, 0, 0, *windows, 0, 0x3000, raw, 0)
    optional += struct.pack("<HHQQQQII", 3, 0x160, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    directories = [(0, 0)] * 16
    if libraries:
        directories[1] = (base, table)
    if managed is not None:
        directories[14] = (clr, 72)
    optional += b"".join(struct.pack("<II", *one) for one in directories)
    header = struct.pack("<8s6IHHI", b".rdata", len(section), base, len(section), raw, 0, 0, 0, 0, 0x40000040)
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + coff + optional + header
    return head + bytes(raw - len(head)) + section
