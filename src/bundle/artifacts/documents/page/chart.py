"""The treemap of one bundle's layers, as its page draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.artifacts.described import Described
from bundle.artifacts.documents.page.treemap import Rectangle, squarified
from bundle.model.manifest import LayerRecord

_MOST = 60
"""Tiles of one map, so that it stays readable and quick to walk through by keyboard."""

_LARGEST = 2**53
"""Bytes; no layer has more."""

_SIGN, _LINE = 7.2, 18.0
"""Width of a sign and height of a line in a tile, in the units of the map."""

_FEWEST = 6
"""Signs of a longer name that still tell something."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer in the table of a page."""

    number: int
    record: LayerRecord
    kind: str
    """`interpreter`, `wheel`, `source`, `copied` or `documents`."""
    size: int
    compressed: int
    """0 if nothing tells."""
    share: float
    """Of the bundle's bytes."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One rectangle of a map."""

    row: Row | None
    """None for all the small layers together."""
    count: int
    size: int
    share: float
    place: Rectangle
    lines: tuple[str, ...]
    """What there is room for."""


def rows_of(described: Described) -> list[Row]:
    """Return the layers of a bundle, the largest first."""
    entry = described.entry
    built = {
        (one.name, one.version) for group in entry.groups.values() for one in group.packages if one.decision == "source"
    }
    layers = {layer.digest: layer for layer in entry.layers}
    total = sum(map(_size, layers.values()))
    ordered = sorted(layers.values(), key=lambda one: (-_size(one), one.name, one.digest))
    return [
        Row(
            number=number,
            record=layer,
            kind=_kind(layer, built),
            size=_size(layer),
            compressed=described.compressed.get(layer.digest, 0),
            share=_size(layer) / total if total else 0.0,
        )
        for number, layer in enumerate(ordered)
    ]


def tiles_of(rows: Sequence[Row], space: Rectangle) -> list[Tile]:
    """Return the map of layers; the smallest are one tile together.

    Args:
        rows: the largest first.
    """
    shown = [row for row in rows if row.size]
    rest = shown[_MOST:]
    shown = shown[:_MOST]
    sizes = [row.size for row in shown] + ([sum(row.size for row in rest)] if rest else [])
    sizes_in_order = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    places = squarified([sizes[place] for place in sizes_in_order], space) if sizes else []
    tiles = []
    for number, place in zip(sizes_in_order, places, strict=True):
        if number < len(shown):
            row = shown[number]
            lines = _lines(row.record.name, f"{100 * row.share:.0f} %", place)
            tiles.append(Tile(row=row, count=1, size=row.size, share=row.share, place=place, lines=lines))
        else:
            share = sum(one.share for one in rest)
            lines = _lines(f"{len(rest)} smaller", "", place)
            tiles.append(Tile(row=None, count=len(rest), size=sizes[number], share=share, place=place, lines=lines))
    return tiles


def _lines(title: str, detail: str, place: Rectangle) -> tuple[str, ...]:
    room = int((place.width - 10) / _SIGN)
    if room < min(len(title), _FEWEST) or place.height < _LINE + 4:
        return ()
    first = title if len(title) <= room else f"{title[: room - 1]}…"
    return (first, detail) if detail and place.height >= 2 * _LINE + 6 and len(detail) <= room else (first,)


def _size(layer: LayerRecord) -> int:
    return min(max(layer.size, 0), _LARGEST)


def _kind(layer: LayerRecord, built: set[tuple[str, str]]) -> str:
    if layer.kind == "wheel":
        return "source" if (layer.name, layer.version) in built else "wheel"
    return {"interpreter": "interpreter", "copyFiles": "copied"}.get(layer.kind, "documents")
