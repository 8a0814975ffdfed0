from __future__ import annotations

import pytest

from bundle.run.cluster.fence import MOST_LOST, Attempts, Lease


class TestAttempts:
    def test_only_the_current_one_counts(self) -> None:
        attempts = Attempts()
        first = attempts.begin()
        attempts.lose(0.0, 10.0)
        second = attempts.begin()
        assert (first, second) == (1, 2)
        assert not attempts.counts(first)
        assert attempts.counts(second)

    def test_none_counts_between_two(self) -> None:
        attempts = Attempts()
        first = attempts.begin()
        attempts.lose(0.0, 10.0)
        assert not attempts.counts(first)

    def test_none_counts_after_the_end(self) -> None:
        attempts = Attempts()
        number = attempts.begin()
        attempts.end()
        assert not attempts.counts(number)
        assert attempts.due == float("inf")

    def test_the_next_begins_when_the_lost_one_has_ended(self) -> None:
        attempts = Attempts()
        attempts.begin()
        assert attempts.lose(100.0, 35.0)
        assert attempts.due == 135.0

    def test_one_that_is_handed_back_is_repeated_at_once_and_is_not_lost(self) -> None:
        attempts = Attempts()
        attempts.begin()
        attempts.hand_back(100.0)
        assert (attempts.due, attempts.lost, attempts.running) == (100.0, 0, False)

    def test_begun_in_two_places_is_in_the_first(self) -> None:
        attempts = Attempts()
        number = attempts.begin()
        assert attempts.began(number, "a")
        assert attempts.began(number, "b")
        assert attempts.worker == "a"

    def test_begun_late_counts_no_more(self) -> None:
        attempts = Attempts()
        number = attempts.begin()
        attempts.lose(0.0, 1.0)
        attempts.begin()
        assert not attempts.began(number, "late")
        assert attempts.worker == ""

    def test_are_given_up_after_some(self) -> None:
        attempts = Attempts()
        again = []
        for _ in range(MOST_LOST):
            attempts.begin()
            again.append(attempts.lose(0.0, 0.0))
        assert again == [True] * (MOST_LOST - 1) + [False]


class TestALease:
    @pytest.mark.parametrize(("signs", "over"), [([1, 2, 3], False), ([1, 1, 1], True), ([], True)])
    def test_lasts_as_long_as_signs_change(self, signs: list[int], over: bool) -> None:
        now = [0.0]
        lease = Lease(seconds=10, clock=lambda: now[0])
        for sign in signs:
            now[0] += 6
            lease.hear(sign)
        now[0] += 6 if signs else 11
        assert lease.over is over
