"""The facts about a finished interpreter that its layer and the manifest keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Library:
    """A shared library that an interpreter carries."""

    name: str
    """The file's name."""
    version: str
    """Of the system's package that it came from; empty if unknown."""
    licence: str
    """SPDX expression; `NOASSERTION` if unknown."""

    def as_json(self) -> dict[str, str]:
        """Return the JSON value that the manifest holds."""
        return {"name": self.name, "version": self.version, "licence": self.licence}


@dataclass(frozen=True, kw_only=True)
class About:
    """The facts about a finished interpreter that its layer and the manifest keep."""

    python: str
    """The version that its own files say."""
    glibc: str | None = None
    """The oldest glibc on which all of it works, measured; None where there is none to measure."""
    glibc_start: str | None = None
    """The oldest glibc on which it starts."""
    glibc_by_file: Mapping[str, str] = field(default_factory=dict)
    """The files that need more than `glibc_start`."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Component to SPDX expression."""
    libraries: tuple[Library, ...] = ()
    """The shared libraries that came with it, or along from the machine."""
    dropped: tuple[str, ...] = ()
    """Parts of the original that were left out."""
    remarks: tuple[str, ...] = ()
    """What else the user of the bundle should know."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that the layer and the manifest hold."""
        return {
            "python": self.python,
            "glibc": self.glibc,
            "glibcStart": self.glibc_start,
            "glibcByFile": dict(sorted(self.glibc_by_file.items())),
            "licences": dict(sorted(self.licences.items())),
            "libraries": [library.as_json() for library in self.libraries],
            "dropped": list(self.dropped),
            "remarks": list(self.remarks),
        }
