"""Read native files of any system; they are parsed, never run."""

from __future__ import annotations

import warnings
from pathlib import Path

from bundle.base.native.elf import read_elf
from bundle.base.native.formats import native_format
from bundle.base.native.macho import read_macho
from bundle.base.native.native import Native
from bundle.base.native.pe import read_pe


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
            return read_elf(path) if kind == "elf" else read_macho(path, machine) if kind == "macho" else read_pe(path)
        except UnicodeDecodeError:
            return None
