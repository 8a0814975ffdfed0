"""Leave parts of an interpreter out by globs, while it is copied or afterwards."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bundle.base.folders import remove_tree

Match = Callable[[str], str | None]
"""Returns the rule that leaves out a path relative to the tree, None if it stays."""


def matcher(globs: Sequence[str], stdlib: str) -> Match:
    """Return a function that names the glob of `content_rules` which leaves a relative path out."""
    written = [glob.replace("{stdlib}", stdlib) for glob in globs]
    pattern = re.compile("|".join(f"({_expression(glob)})" for glob in written))

    def match(path: str) -> str | None:
        found = pattern.fullmatch(path)
        return None if found is None else written[(found.lastindex or 1) - 1]

    return match


def _expression(glob: str) -> str:
    tokens = {"**/": r"(?:.*/)?", "*": r"[^/]*"}
    return "".join(tokens.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*)", glob))


def walk(root: str, start: str, match: Match, left_out: set[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the remaining files and links below a folder, sorted by name within each folder.

    Args:
        root: the interpreter's folder.
        start: where to begin, relative to it.
        left_out: the rules that applied are added to it.
    """
    with os.scandir(os.path.join(root, start)) as entries:  # noqa: PTH118 - thousands of entries, asked on every build
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = f"{start}/{entry.name}" if start else entry.name
        if rule := match(path):
            left_out.add(rule)
        elif entry.is_dir(follow_symlinks=False):
            yield from walk(root, path, match, left_out)
        else:
            yield path, entry


def drop(tree: Path, match: Match) -> set[str]:
    """Remove the parts of a tree that rules leave out; return the rules that applied."""
    applied: set[str] = set()
    _drop(tree, "", match, applied)
    return applied


def _drop(folder: Path, inside: str, match: Match, applied: set[str]) -> None:
    for path in sorted(folder.iterdir()):
        relative = f"{inside}{path.name}"
        if rule := match(relative):
            applied.add(rule)
            remove_tree(path)
        elif path.is_dir() and not path.is_symlink():
            _drop(path, f"{relative}/", match, applied)
            if not any(path.iterdir()):
                path.rmdir()
