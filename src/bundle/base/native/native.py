"""Native files (ELF, Mach-O, PE) as values: machine, needed libraries, run paths, symbol versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bundle.base.native.formats import Format

Signature = Literal["none", "sound", "followed", "void"]
"""None at all; of these bytes; of these bytes without those behind it; of other bytes."""

Kind = Literal["executable", "library", "other"]

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
    """Mach-O and PE: the oldest macOS or Windows that its header asks for."""
    interpreter: str = ""
    """ELF: the dynamic linker that it asks for."""
    signature: Signature | None = None
    """Mach-O and PE: None for ELF."""
    executable_stack: bool = False
    """ELF: whether it asks for a stack whose bytes can be run."""
    text_relocations: bool = False
    """ELF: whether the loader has to write into its code."""
    level: int = 1
    """ELF: the level of x86-64 (psABI) that it says it needs; 1 is every processor."""
    managed: bool = False
    """PE: a .NET assembly without machine code, for every machine."""
    cut_off: bool = False
    """ELF: whether parts that no loader reads lie beyond its end; files that lack more are damaged."""

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


def dotted(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to be compared; those of `GLIBC_2.34` are (2, 34)."""
    return tuple(map(int, re.findall(r"\d+", version.rpartition("_")[2])))
