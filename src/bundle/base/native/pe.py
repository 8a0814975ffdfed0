"""PE files, read with LIEF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.native.formats import machine_of
from bundle.base.native.native import Native, Need, Signature

if TYPE_CHECKING:
    import lief

_WINDOWS = {(6, 2): "8", (6, 3): "8.1", (10, 0): "10"}
"""The names of the versions of NT from 8 on."""

_MOST_LIBRARIES = 4096
_LONGEST_NAME = 512

_IL_ONLY, _32BIT_REQUIRED = 0x1, 0x2
"""Flags of a CLI header (ECMA-335, II.25.3.3.1)."""


def read_pe(path: Path) -> Native | None:
    """Read a PE file; None if it is damaged."""
    import lief

    options = lief.PE.ParserConfig()
    # LIEF reads every function of every import; a file may have them overlap to be far larger than itself.
    for part in ("imports", "rsrc", "reloc", "exports", "exceptions", "arm64x_binary"):
        setattr(options, f"parse_{part}", False)
    binary = lief.PE.parse(str(path), options)
    if binary is None:
        return None
    size = path.stat().st_size
    if max((part.offset + part.sizeof_raw_data for part in binary.sections), default=0) > size:
        return None
    certificates = binary.data_directory(lief.PE.DataDirectory.TYPES.CERTIFICATE_TABLE)
    # The one directory whose address is a place in the file.
    if certificates is not None and certificates.size and certificates.rva + certificates.size > size:
        return None
    content = path.read_bytes()
    library = lief.PE.Header.CHARACTERISTICS.DLL in binary.header.characteristics_list
    header = binary.optional_header
    return Native(
        format="pe",
        kind="library" if library else "executable",
        machines=(machine_of(binary.header.machine),),
        needs=(
            *(Need(name=name) for name in _imported(binary, content)),
            *(Need(name=name, weak=True) for name in _imported(binary, content, delayed=True)),
        ),
        minimum=_WINDOWS.get((header.major_subsystem_version, header.minor_subsystem_version), ""),
        signature=_signature(binary, signed=certificates is not None and certificates.size > 0),
        managed=_managed(binary),
    )


def _imported(binary: lief.PE.Binary, content: bytes, *, delayed: bool = False) -> Iterator[str]:
    """Yield the names of the libraries in a table of imports. Source: Microsoft, "PE Format", .idata and delay-load."""
    import lief

    types = lief.PE.DataDirectory.TYPES
    table = binary.data_directory(types.DELAY_IMPORT_DESCRIPTOR if delayed else types.IMPORT_TABLE)
    if table is None or not table.rva:
        return
    # A delayed table of the first compilers has addresses in memory in place of relative ones.
    size, place = (32, 4) if delayed else (20, 12)
    start = binary.rva_to_offset(table.rva)
    for number in range(_MOST_LIBRARIES):
        entry = content[start + number * size :][:size]
        if len(entry) < size or not any(entry):
            return
        (address,) = struct.unpack_from("<I", entry, place)
        if delayed and not entry[0] & 1:
            address -= binary.optional_header.imagebase
        if address <= 0:
            return
        where = binary.rva_to_offset(address)
        name, end, _ = content[where : where + _LONGEST_NAME].partition(b"\0")
        if name and end:
            yield name.decode(errors="replace")


def _signature(binary: lief.PE.Binary, *, signed: bool) -> Signature:
    """Compare a file with the digest in its Authenticode signature; the signer is not judged."""
    import lief

    if not signed:
        return "none"
    if not binary.has_signatures:
        return "void"
    # Certificates are not compared with the clock: the answer must be the same on every day.
    verdict = binary.verify_signature(lief.PE.Signature.VERIFICATION_CHECKS.SKIP_CERT_TIME)
    flags = lief.PE.Signature.VERIFICATION_FLAGS
    return "void" if flags.BAD_DIGEST in verdict else "sound"


def _managed(binary: lief.PE.Binary) -> bool:
    import lief

    place = binary.data_directory(lief.PE.DataDirectory.TYPES.CLR_RUNTIME_HEADER)
    if place is None or not place.size:
        return False
    head = bytes(binary.get_content_from_virtual_address(place.rva, 20))
    return len(head) == 20 and struct.unpack_from("<I", head, 16)[0] & (_IL_ONLY | _32BIT_REQUIRED) == _IL_ONLY
