from __future__ import annotations

import threading

from bundle.run.sessions.result import State
from bundle.run.sessions.schedule import Schedule, StepWork, Task
from tests.run.sessions.templates import job, numbers, script, step

NOTHING = script("")


def work(*needs: str) -> list[StepWork]:
    """Steps of three tasks each, with what they depend on: `B:A` for B behind A."""
    steps = []
    for one in needs:
        name, _, before = one.partition(":")
        steps.append(step(name, NOTHING, needs=list(before), space=numbers("1-3")))
    return [StepWork(one, range(one.count)) for one in job(*steps).steps]


def drain(schedule: Schedule, failing: frozenset[tuple[str, int]] = frozenset()) -> list[str]:
    order = []
    while (task := schedule.take()) is not None:
        order.append(f"{task.step}{task.place}")
        schedule.finish(task, State.FAILED if (task.step, task.place) in failing else State.OK)
    return order


def test_a_step_begins_when_those_before_it_have_ended() -> None:
    assert drain(Schedule(work("B:A", "A"), done={})) == ["A0", "A1", "A2", "B0", "B1", "B2"]


def test_a_dependent_step_waits_for_tasks_that_run() -> None:
    schedule = Schedule(work("A", "B:A"), done={"A": {1, 2}})
    first = schedule.take()
    assert first is not None
    found: list[Task | None] = []
    waiting = threading.Thread(target=lambda: found.append(schedule.take()))
    waiting.start()
    schedule.finish(first, State.OK)
    waiting.join(10)
    assert [one and one.step for one in found] == ["B"]


def test_a_failure_ends_all() -> None:
    schedule = Schedule(work("A", "B"), done={})
    assert drain(schedule, frozenset({("A", 1)})) == ["A0", "A1"]
    assert [(one.ok, one.failed, one.not_run) for one in schedule.results()] == [(1, 1, 1), (0, 0, 3)]


def test_a_failure_ends_only_what_depends_on_it() -> None:
    schedule = Schedule(work("A", "B:A", "C"), done={}, keep_going=True)
    assert drain(schedule, frozenset({("A", 1)})) == ["A0", "A1", "A2", "C0", "C1", "C2"]
    assert [one.not_run for one in schedule.results()] == [0, 3, 0]


def test_what_is_done_does_not_run() -> None:
    schedule = Schedule(work("A", "B:A"), done={"A": {0, 1, 2, 7}, "B": {1}})
    assert drain(schedule) == ["B0", "B2"]
    assert [one.ok for one in schedule.results()] == [3, 3]


def test_a_preferred_step_comes_first() -> None:
    task = Schedule(work("A", "B"), done={}).take("B")
    assert task is not None
    assert task.step == "B"


def test_a_step_can_be_barred() -> None:
    schedule = Schedule(work("A", "B", "C:A"), done={}, keep_going=True)
    schedule.bar("A")
    assert drain(schedule) == ["B0", "B1", "B2"]
    schedule = Schedule(work("A", "B"), done={})
    schedule.bar(None)
    assert drain(schedule) == []


def test_a_huge_step_costs_nothing() -> None:
    found = job(step("S", NOTHING, space=numbers("1-1000000000"))).steps[0]
    task = Schedule([StepWork(found, range(found.count))], done={"S": {0}}).take()
    assert task is not None
    assert task.which == 1


def test_a_task_that_is_handed_back_comes_again_before_others_and_before_dependent_steps() -> None:
    schedule = Schedule(work("A", "B:A"), done={"A": {1, 2}})
    first = schedule.take()
    assert first is not None
    schedule.hand_back(first)
    assert drain(schedule) == ["A0", "B0", "B1", "B2"]
