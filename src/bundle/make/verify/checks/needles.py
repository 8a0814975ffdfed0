"""Byte strings that no file of a bundle may hold: the building machine's folders, as programs spell them."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bundle.make.verify.checks.findings import Severity
from bundle.model.platforms import Platform

_LONG_ENOUGH = 8
"""Length from which a path of a single component is not found by chance."""

_COMMON = frozenset(
    {"/usr", "/usr/local", "/usr/bin", "/usr/lib", "/opt", "/opt/local", "/opt/homebrew", "/var/tmp", "/var/lib"}  # noqa: S108 - named, not used
)
"""Folders that many files name on every machine."""


@dataclass(frozen=True, kw_only=True)
class Needle:
    """A byte string that no file may hold."""

    path: str
    """The folder that it stands for."""
    data: bytes
    severity: Severity


def needles_for(
    forbidden: Sequence[Path], suspicious: Sequence[Path], platform: Platform
) -> tuple[tuple[Needle, ...], tuple[Path, ...]]:
    """Return the byte strings to search for, and the folders whose names say too little to be searched for.

    Args:
        forbidden: folders whose appearance is an error.
        suspicious: folders whose appearance is a warning.
        platform: what the bundle is for; Windows programs hold UTF-16 texts, too.
    """
    texts: dict[str, Severity] = {}
    unused: list[Path] = []
    for paths, severity in ((forbidden, "error"), (suspicious, "warning")):
        for path in paths:
            if not _telling(path):
                unused.append(path)
                continue
            for text in dict.fromkeys((str(path), os.path.realpath(path))):
                texts.setdefault(text, severity)  # type: ignore[arg-type]  # one of the two above
    needles: dict[bytes, Needle] = {}
    for text, severity in texts.items():
        if any(text != other and _is_below(text, other) for other, found in texts.items() if found == severity):
            continue  # Whoever names the inner folder names the outer one.
        for data in _spellings(text, platform):
            needles.setdefault(data, Needle(path=text, data=data, severity=severity))
    return tuple(needles.values()), tuple(dict.fromkeys(unused))


def search(data: bytes | mmap.mmap, needles: Iterable[Needle]) -> Iterator[tuple[Needle, int]]:
    """Yield each needle that some bytes hold, and where it is first; `/a/bc` does not count as `/a/b`."""
    for needle in needles:
        offset = data.find(needle.data)
        while offset >= 0:
            after = data[offset + len(needle.data) : offset + len(needle.data) + 1]
            if not (after.isalnum() or after in (b"_", b"-")):
                yield needle, offset
                break
            offset = data.find(needle.data, offset + 1)


def _telling(path: Path) -> bool:
    text = str(path)
    names = [part for part in path.parts if part != path.anchor]
    return text not in _COMMON and (len(names) >= 2 or len(text) >= _LONG_ENOUGH)


def _is_below(text: str, other: str) -> bool:
    return text.startswith((f"{other}/", f"{other}\\"))


def _spellings(text: str, platform: Platform) -> Iterator[bytes]:
    """Yield a path as programs, JSON files and file URLs spell it."""
    for spelling in dict.fromkeys((text, text.replace("\\", "\\\\"), text.replace("\\", "/"))):
        yield os.fsencode(spelling)
        yield quote(os.fsencode(spelling), safe="/:").encode()
        if platform.is_windows:
            yield spelling.encode("utf-16-le", "surrogatepass")
