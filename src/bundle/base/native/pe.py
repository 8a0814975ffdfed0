"""PE files, read with LIEF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.native.formats import machine_of
from bundle.base.native.native import Native, Need

if TYPE_CHECKING:
    import lief


def read_pe(path: Path) -> Native | None:
    """Read a PE file; None if it is damaged."""
    import lief

    options = lief.PE.ParserConfig()
    for part in ("signature", "rsrc", "reloc", "exports", "exceptions", "arm64x_binary"):
        if hasattr(options, f"parse_{part}"):
            setattr(options, f"parse_{part}", False)
    binary = lief.PE.parse(str(path), options)
    if binary is None:
        return None
    if max((part.offset + part.sizeof_raw_data for part in binary.sections), default=0) > path.stat().st_size:
        return None
    library = lief.PE.Header.CHARACTERISTICS.DLL in binary.header.characteristics_list
    return Native(
        format="pe",
        kind="library" if library else "executable",
        machines=(machine_of(binary.header.machine),),
        needs=(
            *(Need(name=str(one.name)) for one in binary.imports),
            *(Need(name=str(one.name), weak=True) for one in _delayed(binary)),
        ),
    )


def _delayed(binary: lief.PE.Binary) -> Iterator[lief.PE.DelayImport]:
    if binary.has_delay_imports:
        yield from binary.delay_imports
