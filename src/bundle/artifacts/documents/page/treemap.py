"""Treemaps: rectangles whose areas are in proportion to numbers, as near to squares as they can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LEAST = 1e-9
"""A length that counts in place of none, which is what rounding may leave for the smallest of numbers."""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle, by its corner at the top left."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Width by height."""
        return self.width * self.height


def squarified(values: Sequence[float], space: Rectangle) -> list[Rectangle]:
    """Return a rectangle for each number; together they fill the space.

    Source: Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000).

    Args:
        values: above zero, the largest first.
    """
    total = sum(values)
    areas = [value / total * space.area for value in values]
    found: list[Rectangle] = []
    while areas:
        side = max(min(space.width, space.height), _LEAST)
        count = 1
        while count < len(areas) and _worst(areas[: count + 1], side) <= _worst(areas[:count], side):
            count += 1
        row, space = _row(areas[:count], space)
        found += row
        areas = areas[count:]
    return found


def _worst(row: Sequence[float], side: float) -> float:
    """Return the largest ratio of the sides of rectangles in a row along one side."""
    depth = sum(row) / side
    return max(max(depth * depth / area, area / (depth * depth)) for area in row)


def _row(areas: Sequence[float], space: Rectangle) -> tuple[list[Rectangle], Rectangle]:
    """Return a row along the shorter side of a space, and the space that is left."""
    upright = space.width >= space.height
    depth = sum(areas) / max(space.height if upright else space.width, _LEAST)
    row = []
    place = space.y if upright else space.x
    for area in areas:
        length = area / depth
        if upright:
            row.append(Rectangle(space.x, place, depth, length))
        else:
            row.append(Rectangle(place, space.y, length, depth))
        place += length
    if upright:
        return row, Rectangle(space.x + depth, space.y, max(space.width - depth, 0.0), space.height)
    return row, Rectangle(space.x, space.y + depth, space.width, max(space.height - depth, 0.0))
