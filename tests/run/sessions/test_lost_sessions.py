from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from bundle.run.sessions.result import ActionResult, NoPlaceError, RunResult, SessionLostError, State, TaskResult
from bundle.run.sessions.run import Plan, Run
from bundle.run.sessions.schedule import StepWork
from bundle.run.sessions.session import Settings
from tests.run.sessions.templates import job, numbers, script, step


class Remote:
    """A session elsewhere, which does what a test says for each attempt."""

    folder = None
    left = ()
    failed_environment = None

    def __init__(self, place: Elsewhere, name: str) -> None:
        self._place = place
        self._name = name
        self.usable = True

    def run(self, step: str, task: int | Mapping[str, str], attempt: int = 1) -> TaskResult:
        assert isinstance(task, int)
        if error := self._place.next_error(self._name, task):
            self.usable = False
            raise error
        self._place.ran.update([task])
        return TaskResult(step=step, task=task, state=State.OK, attempts=attempt)

    def cancel(self, limit: float | None = None) -> None:
        return None

    def close(self) -> tuple[ActionResult, ...]:
        return ()


class Elsewhere:
    """Runs six tasks in sessions elsewhere."""

    def __init__(self, *errors: tuple[int, Exception], parallel: int = 2) -> None:
        self.ran: Counter[int] = Counter()
        self._errors = list(errors)
        self._lock = threading.Lock()
        self._parallel = parallel

    def next_error(self, name: str, task: int) -> Exception | None:
        with self._lock:
            for one in self._errors:
                if one[0] == task:
                    self._errors.remove(one)
                    return one[1]
        return None

    def run(self) -> RunResult:
        made = job(step("A", script(""), space=numbers("1-6")))
        plan = Plan(
            work=[StepWork(one, range(one.count)) for one in made.steps],
            settings=Settings(root=Path("/nowhere"), environ={}),
            parallel=self._parallel,
        )
        return Run(made, plan, output=lambda _: None, opened=lambda name, _: Remote(self, name)).run()


@pytest.mark.parametrize("parallel", [1, 2, 6])
def test_a_task_whose_session_is_lost_runs_again_and_says_so(parallel: int) -> None:
    place = Elsewhere((3, SessionLostError("gone")), parallel=parallel)
    result = place.run()
    assert result.state == State.OK
    assert place.ran == Counter(range(6))
    assert {one.task: one.attempts for one in result.tasks} == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1}


def test_a_session_without_a_place_gives_its_task_to_others() -> None:
    place = Elsewhere((1, NoPlaceError("full")))
    result = place.run()
    assert place.ran == Counter(range(6))
    assert {one.attempts for one in result.tasks} == {1}


def test_a_task_that_loses_every_session_ends_the_run() -> None:
    place = Elsewhere(*[(2, SessionLostError("gone"))] * 3)
    with pytest.raises(SessionLostError, match="gone"):
        place.run()
