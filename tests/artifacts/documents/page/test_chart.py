from __future__ import annotations

from dataclasses import replace

import pytest

from bundle.artifacts.documents.page.chart import rows_of, tiles_of
from bundle.artifacts.documents.page.treemap import Rectangle
from tests.artifacts.documents.page.made import described, layer, renamed

SPACE = Rectangle(0, 0, 1000, 440)


def test_layers_are_told_by_size_kind_and_share() -> None:
    rows = rows_of(described())
    assert [row.record.name for row in rows[:3]] == ["openmm", "scipy", "numpy"]
    assert {row.record.name: row.kind for row in rows if row.kind != "wheel"} == {
        "python": "interpreter",
        "pdbfixer": "source",
        "freesasa": "source",
        "bundle.json": "documents",
        "copyFiles": "copied",
    }
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert rows[0].compressed == rows[0].size // 3


def test_small_layers_are_one_tile() -> None:
    bundle = described()
    layers = tuple(layer("wheel", f"small-{number:03}", "1.0", "", 1000 - number) for number in range(200))
    tiles = tiles_of(rows_of(renamed(bundle, layers=(*bundle.entry.layers[:1], *layers))), SPACE)
    assert len(tiles) == 61
    (rest,) = [tile for tile in tiles if tile.row is None]
    assert (rest.count, rest.size) == (141, sum(1000 - number for number in range(59, 200)))
    assert sum(tile.place.area for tile in tiles) == pytest.approx(SPACE.area)


@pytest.mark.parametrize("sizes", [(), (0,), (-5, 0), (0, 7), (10**400, 1), (2**63, 2**63)])
def test_any_size_has_a_map(sizes: tuple[int, ...]) -> None:
    layers = tuple(layer("wheel", str(number), "", "", size) for number, size in enumerate(sizes))
    rows = rows_of(renamed(described(), layers=layers))
    assert len(tiles_of(rows, SPACE)) == sum(size > 0 for size in sizes)


def test_text_stands_only_where_there_is_room() -> None:
    long = layer("wheel", "a-name-of-very-many-letters", "1.0", "", 1)
    bundle = renamed(described(), layers=(layer("wheel", "large", "1.0", "", 100), long))
    large, small = tiles_of(rows_of(replace(bundle)), SPACE)
    assert large.lines == ("large", "99 %")
    assert small.lines == ()
    (alone,) = tiles_of(rows_of(renamed(described(), layers=(long,))), Rectangle(0, 0, 100, 30))
    assert alone.lines == ("a-name-of-v…",)
