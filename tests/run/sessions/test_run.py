from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bundle.run.sessions.job import Job
from bundle.run.sessions.log import Line
from bundle.run.sessions.result import RunResult, State, TaskResult
from bundle.run.sessions.run import Plan, Run
from bundle.run.sessions.schedule import StepWork
from bundle.run.sessions.session import Settings
from tests.base.processes.children import until
from tests.run.sessions.templates import environment, job, numbers, script, step

pytestmark = pytest.mark.real

NOTHING = script("")

WAITS_FOR_THE_OTHER = (
    "import pathlib,sys,time\n"
    "folder = pathlib.Path(sys.argv[1]); (folder / sys.argv[2]).touch()\n"
    "while len(list(folder.iterdir())) < int(sys.argv[3]): time.sleep(0.01)"
)
"""Ends when as many of its kind run beside each other."""


def run(found: Job, root: Path, lines: list[Line] | None = None, **plan: Any) -> RunResult:
    work = [StepWork(one, range(one.count)) for one in found.steps]
    settings = Settings(root=root, environ=os.environ)
    output = lines if lines is not None else []
    return Run(found, Plan(work=work, settings=settings, **plan), output=output.append).run()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sessions").mkdir()
    return tmp_path / "sessions"


def ended(result: RunResult) -> list[tuple[str, int, str]]:
    return [(one.step, one.task, one.state) for one in result.tasks]


def test_all_tasks_run_in_one_session(root: Path) -> None:
    lines: list[Line] = []
    found = job(
        step("B", script("print('b')"), needs=["A"]),
        step("A", script("print('a', {{Task.Param.N}})"), space=numbers("1-3")),
        jobEnvironments=[environment("e", script("print('in')"), script("print('out')"))],
    )
    result = run(found, root, lines)
    assert result.state == "ok"
    assert [line.text for line in lines if line.output] == ["in", "a 1", "a 2", "a 3", "b", "out"]
    assert {one.session for one in result.tasks} == {"session-1"}
    assert list(root.iterdir()) == []


def test_tasks_of_a_step_run_beside_each_other(root: Path, tmp_path: Path) -> None:
    (tmp_path / "met").mkdir()
    meets = script(WAITS_FOR_THE_OTHER, str(tmp_path / "met"), "{{Task.Param.N}}", "4")
    result = run(job(step("A", meets, space=numbers("1-4"))), root, parallel=4)
    assert result.state == "ok"
    assert {one.session for one in result.tasks} == {f"session-{n}" for n in range(1, 5)}


def test_independent_steps_run_beside_each_other(root: Path, tmp_path: Path) -> None:
    (tmp_path / "met").mkdir()
    steps = [step(name, script(WAITS_FOR_THE_OTHER, str(tmp_path / "met"), name, "2")) for name in "AB"]
    lines: list[Line] = []
    last = step("C", script("print('c')"), needs=["A", "B"])
    assert run(job(*steps, last), root, lines, parallel=8).state == "ok"
    assert [line.text for line in lines if line.output][-1] == "c"


def test_a_failure_ends_the_run(root: Path) -> None:
    fails = script("import sys; sys.exit({{Task.Param.N}} == 2)")
    result = run(job(step("A", fails, space=numbers("1-4")), step("B", NOTHING)), root)
    assert result.state == "failed"
    assert ended(result) == [("A", 0, "ok"), ("A", 1, "failed")]
    assert [(one.ok, one.failed, one.not_run) for one in result.steps] == [(1, 1, 2), (0, 0, 1)]


def test_a_run_can_go_on_with_what_does_not_depend_on_a_failure(root: Path) -> None:
    fails = script("import sys; sys.exit({{Task.Param.N}} == 2)")
    found = job(step("A", fails, space=numbers("1-3")), step("B", NOTHING, needs=["A"]), step("C", NOTHING))
    result = run(found, root, keep_going=True)
    assert result.state == "failed"
    assert ended(result) == [("A", 0, "ok"), ("A", 1, "failed"), ("A", 2, "ok"), ("C", 0, "ok")]
    assert [one.session for one in result.tasks] == ["session-1", "session-1", "session-2", "session-2"]


def test_a_step_whose_environment_fails_is_not_tried_for_each_task(root: Path) -> None:
    broken = environment("broken", script("import sys; print('try'); sys.exit(3)"))
    lines: list[Line] = []
    found = job(step("A", NOTHING, space=numbers("1-9"), stepEnvironments=[broken]), step("B", NOTHING))
    result = run(found, root, lines, keep_going=True)
    assert ended(result) == [("A", 0, "failed"), ("B", 0, "ok")]
    assert [line.text for line in lines if line.output] == ["try"]


def test_a_cancelled_run_exits_its_environments(root: Path) -> None:
    lines: list[Line] = []
    sleeps = script("import time; print('up', flush=True); time.sleep(600)")
    found = job(
        step("A", sleeps, space=numbers("1-3")),
        jobEnvironments=[environment("e", script(""), script("print('out')"))],
    )
    work = [StepWork(found.steps[0], range(3))]
    running = Run(found, Plan(work=work, settings=Settings(root=root, environ=os.environ), parallel=2),
                  output=lines.append)  # fmt: skip
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(running.run()))
    thread.start()
    until(lambda: sum(line.text == "up" for line in lines) == 2)
    running.cancel()
    thread.join(60)
    assert results[0].state == "cancelled"
    assert [one.state for one in results[0].tasks] == ["cancelled"] * 2
    assert sum(line.text == "out" for line in lines) == 2
    assert results[0].steps[0].not_run == 1


def test_what_was_done_before_does_not_run_again(root: Path) -> None:
    def before(place: int, state: State, attempts: int = 1) -> TaskResult:
        return TaskResult(step="A", task=place, state=state, attempts=attempts)

    found = job(step("A", NOTHING, space=numbers("1-3")))
    earlier = (before(0, State.OK), before(1, State.FAILED, 2), before(77, State.OK))
    result = run(found, root, before=earlier)
    assert result.state == "ok"
    assert [(one.task, one.attempts) for one in result.tasks] == [(0, 1), (1, 3), (2, 1)]


def test_an_exit_that_fails_is_a_failure(root: Path) -> None:
    leave = script("import sys; sys.exit(4)")
    result = run(job(step("A", NOTHING), jobEnvironments=[environment("e", script(""), leave)]), root)
    assert (result.state, [one.environment for one in result.environments]) == ("failed", ["e"])


def test_a_result_that_cannot_be_kept_ends_the_run(root: Path) -> None:
    found = job(step("A", NOTHING, space=numbers("1-3")))
    work: Sequence[StepWork] = [StepWork(found.steps[0], range(3))]
    kept: list[TaskResult] = []

    def keep(result: TaskResult) -> None:
        kept.append(result)
        raise OSError("no space")

    plan = Plan(work=work, settings=Settings(root=root, environ=os.environ))
    with pytest.raises(OSError, match="no space"):
        Run(found, plan, output=lambda _: None, ended=keep).run()
    assert len(kept) == 1


def test_many_sessions_do_not_mix_their_lines(root: Path) -> None:
    lines: list[Line] = []
    found = job(step("A", script("print('n{{Task.Param.N}}')"), space=numbers("1-16")))
    result = run(found, root, lines, parallel=8)
    told = {(line.session, line.text) for line in lines if line.output}
    assert told == {(one.session, f"n{one.parameters['N']}") for one in result.tasks}


def test_a_log_that_cannot_be_written_ends_the_run(root: Path) -> None:
    told: list[str] = []

    def full(line: Line) -> None:
        if line.output:
            told.append(line.text)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # More than a pipe takes: the task would never end if nobody read it.
    writes = script("import time\nfor n in range(100_000): print('x' * 20)\ntime.sleep(600)")
    found = job(step("A", writes, space=numbers("1-3")))
    plan = Plan(work=[StepWork(found.steps[0], range(3))], settings=Settings(root=root, environ=os.environ), parallel=2)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        Run(found, plan, output=full).run()
    assert told == ["x" * 20]
    assert list(root.iterdir()) == []
