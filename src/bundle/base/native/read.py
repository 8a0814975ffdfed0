"""Read native files of any system; they are parsed, never run."""

from __future__ import annotations

import os
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
    # Tens of thousands of files are none, and file objects cost more than to read them.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        kind = native_format(os.read(descriptor, 4))
    finally:
        os.close(descriptor)
    if kind is None:
        return None
    import lief

    lief.logging.disable()
    # At the end of a process it would tell of its own objects that were not collected, which is nobody's concern.
    lief.disable_leak_warning()
    with warnings.catch_warnings():
        # LIEF warns of machines that it does not know; the audit reports them itself.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return read_elf(path) if kind == "elf" else read_macho(path, machine) if kind == "macho" else read_pe(path)
        except UnicodeDecodeError:
            return None
