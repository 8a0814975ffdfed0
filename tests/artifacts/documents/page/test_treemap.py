from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.documents.page.treemap import Rectangle, squarified

SIZES = st.lists(st.integers(1, 10**6), min_size=1, max_size=60).map(lambda sizes: sorted(sizes, reverse=True))


@given(sizes=SIZES, width=st.integers(10, 1000), height=st.integers(10, 1000))
def test_rectangles_fill_the_space_in_proportion(sizes: list[int], width: int, height: int) -> None:
    space = Rectangle(0, 0, width, height)
    found = squarified(sizes, space)
    assert len(found) == len(sizes)
    for size, one in zip(sizes, found, strict=True):
        assert one.area == pytest.approx(space.area * size / sum(sizes), rel=1e-3, abs=1e-3)
        assert one.x > -1e-3
        assert one.y > -1e-3
        assert one.x + one.width < width + 1e-3
        assert one.y + one.height < height + 1e-3


@given(sizes=SIZES)
def test_no_rectangle_lies_on_another(sizes: list[int]) -> None:
    found = squarified(sizes, Rectangle(0, 0, 1000, 400))
    for place, one in enumerate(found):
        for other in found[:place]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(across, down) < 1e-3


def test_numbers_of_all_sizes_have_a_place() -> None:
    sizes = [10.0**power for power in range(15, -15, -1)]
    assert len(squarified([*sizes, *[1e-15] * 30], Rectangle(0, 0, 1000, 440))) == 60


def test_equal_sizes_are_near_to_squares() -> None:
    for one in squarified([1] * 16, Rectangle(0, 0, 400, 400)):
        assert 0.4 < one.width / one.height < 2.5


def test_the_example_of_the_paper() -> None:
    found = squarified([6, 6, 4, 3, 2, 2, 1], Rectangle(0, 0, 6, 4))
    assert [(round(one.width, 2), round(one.height, 2)) for one in found[:4]] == [
        (3, 2),
        (3, 2),
        (1.71, 2.33),
        (1.29, 2.33),
    ]
