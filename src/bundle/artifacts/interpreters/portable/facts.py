"""Facts about a finished interpreter, kept with its layer and in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.base.native.native import Native, dotted
from bundle.base.native.read import read_native
from bundle.model.platforms import Platform
from bundle.model.records import to_json


@dataclass(frozen=True, kw_only=True)
class Library:
    """A shared library that an interpreter carries."""

    name: str
    """The file's name."""
    version: str
    """Of the system's package that it came from; empty if unknown."""
    licence: str
    """SPDX expression; `NOASSERTION` if unknown."""


@dataclass(frozen=True, kw_only=True)
class Glibc:
    """The oldest glibc that an interpreter runs on, measured; None where nothing needs any."""

    start: str | None = None
    """It starts there."""
    whole: str | None = None
    """All of it works there."""
    above: Mapping[str, str] = field(default_factory=dict)
    """The files that need more than `start`."""


_NONE = Glibc()


def measure_glibc(tree: Path, platform: Platform, python: str) -> Glibc:
    """Measure the oldest glibc that an interpreter runs on."""
    if platform.system != "linux":
        return _NONE
    natives: dict[Path, Native] = {}
    for path in sorted(tree.rglob("*")):
        native = read_native(path) if path.is_file() and not path.is_symlink() else None
        if native is not None and native.fits(platform.binary_format, platform.machine):
            natives[path] = native
    beside = {path.name: path for path in natives if path.parent.name == "lib"}
    starting = set()
    waiting = [tree / platform.executable(python)]
    while waiting:
        path = waiting.pop()
        if path in natives and path not in starting:
            starting.add(path)
            waiting += [beside[need.name] for need in natives[path].needs if need.name in beside]
    start = max((natives[path].glibc for path in starting), key=dotted, default="")
    return Glibc(
        start=start or None,
        whole=max((native.glibc for native in natives.values()), key=dotted, default="") or None,
        above={
            path.relative_to(tree).as_posix(): native.glibc
            for path, native in natives.items()
            if dotted(native.glibc) > dotted(start)
        },
    )


@dataclass(frozen=True, kw_only=True)
class About:
    """The facts about a finished interpreter that its layer and the manifest keep."""

    python: str
    """The version that its own files say."""
    glibc: Glibc = _NONE
    licences: Mapping[str, str] = field(default_factory=dict)
    """Component to SPDX expression."""
    libraries: tuple[Library, ...] = ()
    """The shared libraries that came with it, or along from the machine."""
    dropped: tuple[str, ...] = ()
    """Parts of the original that were left out."""
    certificates: str = ""
    """The folder that its OpenSSL looks for certificates in; empty if no file of it says so."""
    remarks: tuple[str, ...] = ()
    """Warnings for the user of the bundle."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that the layer and the manifest hold."""
        return {
            "python": self.python,
            "glibc": self.glibc.whole,
            "glibcStart": self.glibc.start,
            "glibcByFile": dict(sorted(self.glibc.above.items())),
            "licences": dict(sorted(self.licences.items())),
            "libraries": to_json(self.libraries),
            "certificates": self.certificates,
            "dropped": list(self.dropped),
            "remarks": list(self.remarks),
        }
