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

_IL_ONLY, _32BIT_REQUIRED = 0x1, 0x2
"""Flags of a CLI header (ECMA-335, II.25.3.3.1)."""


def read_pe(path: Path) -> Native | None:
    """Read a PE file; None if it is damaged."""
    import lief

    options = lief.PE.ParserConfig()
    for part in ("rsrc", "reloc", "exports", "exceptions", "arm64x_binary"):
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
    library = lief.PE.Header.CHARACTERISTICS.DLL in binary.header.characteristics_list
    header = binary.optional_header
    return Native(
        format="pe",
        kind="library" if library else "executable",
        machines=(machine_of(binary.header.machine),),
        needs=(
            *(Need(name=str(one.name)) for one in binary.imports),
            *(Need(name=str(one.name), weak=True) for one in _delayed(binary)),
        ),
        minimum=_WINDOWS.get((header.major_subsystem_version, header.minor_subsystem_version), ""),
        signature=_signature(binary, signed=certificates is not None and certificates.size > 0),
        managed=_managed(binary),
    )


def _delayed(binary: lief.PE.Binary) -> Iterator[lief.PE.DelayImport]:
    if binary.has_delay_imports:
        yield from binary.delay_imports


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
