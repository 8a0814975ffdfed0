"""Trees for tests: described as values, grown on disk, and read back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st


@dataclass(frozen=True)
class File:
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Link:
    target: str


Tree = Mapping[str, File | Link | None]
"""Paths to what is there; None is a folder, and folders above others need no mention."""

SMALL: Tree = {
    "bin/python3.12": File(b"\x7fELF", executable=True),
    "bin/python3": Link("python3.12"),
    "lib/python3.12/os.py": File(b"name = 'posix'\n"),
    "lib/python3.12/os/__init__.py": File(b""),
    "lib/python3.12/empty": None,
    "share/Grüße 你好.txt": File(b"hello\n"),
    "share/" + "long/" * 30 + "name": File(b"x" * 600),
}


def grow(root: Path, tree: Tree, *, order: Iterable[str] | None = None) -> Path:
    """Make a tree on disk, in any order of creation."""
    root.mkdir(parents=True)
    for path in order or tree:
        place, what = root / path, tree[path]
        if what is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Link):
            place.symlink_to(what.target)
        else:
            place.write_bytes(what.content)
            place.chmod(0o755 if what.executable else 0o644)
    return root


def read(root: Path) -> dict[str, tuple[str, int, int, bytes]]:
    """Return kind, mode, time and content of everything in a tree."""
    found: dict[str, tuple[str, int, int, bytes]] = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            key, status = path.relative_to(root).as_posix(), path.lstat()
            if path.is_symlink():
                found[key] = ("symlink", 0, 0, os.fsencode(path.readlink()))
            elif path.is_dir():
                found[key] = ("folder", status.st_mode & 0o7777, int(status.st_mtime), b"")
            else:
                found[key] = ("file", status.st_mode & 0o7777, int(status.st_mtime), path.read_bytes())
    return found


_LETTERS = "abcXYZ019_-. äß你🐍"
_NAMES = st.text(_LETTERS, min_size=1, max_size=8).map(lambda text: f"n{text}x") | st.just("n" * 120)
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_FILES = st.builds(File, st.binary(max_size=1500), st.booleans())
_LINKS = st.builds(Link, st.sampled_from(["here", "a/b/c", "./x", "nä/ß"]) | st.just("l" * 130))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree that a file system can hold: no path is both a file and a folder."""
    drawn = draw(st.dictionaries(_PATHS, _FILES | _LINKS | st.none(), max_size=12))
    kept: dict[str, File | Link | None] = {}
    for path, what in sorted(drawn.items()):
        above = {path[:end] for end in range(len(path)) if path[end] == "/"}
        if not any(kept.get(folder) is not None for folder in above):
            kept[path] = what
    return kept


def hashes(tree: Path) -> dict[str, str]:
    """Return what a layer would hold of a tree: kind, mode and bytes of everything."""
    found = {}
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = f"{path.stat().st_mode & 0o777:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        else:
            found[name] = f"{path.stat().st_mode & 0o777:o}"
    return found
