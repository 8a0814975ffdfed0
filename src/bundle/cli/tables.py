"""Aligned columns of text that are never wrapped or cut, so that `grep` and `awk` find whole words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


FLOOR_NAMES = {"glibc": "glibc", "macos": "macOS", "windows": "Windows"}
"""The names, for people, of the systems in the key `floor`."""


def asked_by(names: Iterable[str]) -> str:
    """Return, as text, the names of everything that requires a package; the empty one is the configuration."""
    return ", ".join(name or "the configuration" for name in names)


def shown_path(path: str, here: Path) -> str:
    """Return a path as people read it: relative to a folder that it is below."""
    place = Path(path)
    return str(place.relative_to(here)) if place.is_relative_to(here) else path


def print_columns(
    console: Console, rows: Iterable[Sequence[str]], *, heading: Sequence[str] = (), indent: int = 0
) -> None:
    """Print rows of the same number of cells as aligned columns."""
    lines = [list(row) for row in ([heading] if heading else [])] + [list(row) for row in rows]
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console.print(" " * indent + "  ".join(cells).rstrip(), style="bold" if heading and not number else None)
