"""Paths of the build machine inside binaries: overwritten in place, and looked for everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bundle.artifacts.interpreters.portable.content_rules import SYSTEM_FOLDERS
from bundle.artifacts.interpreters.portable.sysconfig_data import Recorded


def overwrite(files: Iterable[Path], places: Recorded) -> None:
    """Replace places by neutral ones of the same length, up to their last name, which stays.

    The same length, and no NULs, because compilers measure constant strings when they compile. The last name stays
    because linkers keep a string that is the end of another one only once: the `3.12.1` of `sys.version` may be that
    of the prefix. The replacement exists nowhere, so that an interpreter that cannot find itself fails and
    does not take another interpreter's library.
    """
    changes = [
        (re.compile(_pattern(place)), _neutral(kind, place))
        for kind, named in (("/__bundle_build", places.builds), ("/__bundle_prefix", places.prefixes))
        for place in named
        if _is_particular(place)
    ]
    # Much else begins with a folder of the system: only the prefix itself counts, and where it finds its library.
    changes += [
        (re.compile(rb"(?<=[\0:])" + re.escape(place.encode()) + rb"(?=\0|/lib(64)?/python\d)"), _nowhere(place))
        for place in places.prefixes
        if f"{place}/" in SYSTEM_FOLDERS
    ]
    for file in files:
        content = file.read_bytes()
        changed = content
        for pattern, neutral in changes:
            changed = pattern.sub(neutral, changed)
        if changed != content:
            file.write_bytes(changed)


def _neutral(name: str, place: str) -> bytes:
    folder, _, last = place.encode().rpartition(b"/")
    return name.encode().ljust(len(folder), b"_")[: len(folder)] + b"/" + last


def _nowhere(place: str) -> bytes:
    return b"/".ljust(len(place.encode()), b"_")


def leftovers(tree: Path, places: Recorded, home: str) -> list[str]:
    """Return the files, relative to the tree, that still hold a path of the build machine.

    Args:
        home: the user's home folder; looked for as the beginning of a path, because the bare word may
            be any.
    """
    named = [_pattern(place) for place in (*places.prefixes, *places.builds) if _is_particular(place)]
    if len(home) > 1:
        named.append(re.escape(home.rstrip("/").encode()) + rb"/")
    if not named:
        return []
    pattern = re.compile(b"|".join(named))
    return [
        file.relative_to(tree).as_posix()
        for file in sorted(tree.rglob("*"))
        if file.is_file() and not file.is_symlink() and pattern.search(file.read_bytes())
    ]


def _is_particular(place: str) -> bool:
    """Return whether a path names a machine: `/usr` or `/install` do not, and much else holds them."""
    return place.count("/") > 1


def _pattern(place: str) -> bytes:
    return re.escape(place.encode()) + rb"(?![\w.-])"
