from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.threads import in_parallel


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4))
def test_parallel_work_keeps_the_order_and_every_failure(items: list[int], threads: int) -> None:
    def work(item: int) -> int:
        if item % 3 == 0:
            raise ValueError(item)
        return item * 2

    results = in_parallel(work, items, threads=threads)

    assert [result if isinstance(result, int) else result.args[0] for result in results] == [
        item if item % 3 == 0 else item * 2 for item in items
    ]


def test_an_interrupt_is_no_result() -> None:
    def work(item: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, [1], threads=1)
