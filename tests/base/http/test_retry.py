from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bundle.base.errors import NetworkError
from bundle.base.http.retry import TransientError, retried
from tests.reporters import Told


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def failing(*failures: TransientError) -> Callable[[], str]:
    left = list(failures)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


def failure(*, wait: float = 0.0, progress: bool = False, retries: int | None = None) -> TransientError:
    return TransientError(NetworkError("It broke off."), wait=wait, progress=progress, retries=retries)


def test_pauses_double_and_every_failure_is_told(pauses: list[float]) -> None:
    told = Told()
    assert retried(failing(failure(), failure(), failure()), retries=3, backoff=4.0, reporter=told) == "done"
    assert [round(pause / wanted) for pause, wanted in zip(pauses, (4, 8, 16), strict=True)] == [1, 1, 1]
    assert [message.partition(" Trying")[0] for message in told.messages] == ["It broke off."] * 3


def test_a_server_may_ask_for_a_longer_pause_but_not_for_an_endless_one(pauses: list[float]) -> None:
    retried(failing(failure(wait=7), failure(wait=9999)), retries=2, backoff=0.01, reporter=Told())
    assert pauses == [7.0, 60.0]


def test_the_last_failure_is_raised(pauses: list[float]) -> None:
    with pytest.raises(NetworkError, match="broke off"):
        retried(failing(*[failure()] * 3), retries=2, backoff=0.01, reporter=Told())
    assert len(pauses) == 2


def test_an_attempt_that_brought_something_starts_the_count_anew(pauses: list[float]) -> None:
    assert retried(failing(*[failure(progress=True)] * 9), retries=1, backoff=0.01, reporter=Told()) == "done"
    assert len(pauses) == 9


def test_a_failure_may_be_worth_fewer_attempts(pauses: list[float]) -> None:
    with pytest.raises(NetworkError):
        retried(failing(*[failure(retries=1)] * 2), retries=9, backoff=0.01, reporter=Told())
    assert len(pauses) == 1
