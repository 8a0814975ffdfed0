from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError
from bundle.run.sessions.job import Job
from bundle.run.sessions.result import Begun, RunResult, State, TaskResult
from bundle.run.sessions.schedule import StepWork
from bundle.run.sessions.state import JOB, RESULT, RUNS, TASKS, Kept, spec_of
from tests.run.sessions.templates import job, numbers, script, step


@pytest.fixture
def found() -> Job:
    definitions = [{"name": "A", "type": "STRING"}, {"name": "Secret", "type": "STRING"}]
    return job(
        step("S", script(""), space=numbers("1-3")),
        parameterDefinitions=definitions,
        parameters={"A": "a", "Secret": "hunter2"},
    )


def create(folder: Path, found: Job) -> Kept:
    work = [StepWork(found.steps[0], range(2))]
    return Kept.create(folder, spec_of(found.inputs, work, keep_going=True, secrets=["Secret"]))


def result(task: int, state: State = State.OK, attempts: int = 1) -> TaskResult:
    return TaskResult(step="S", task=task, parameters={"N": str(task)}, state=state, attempts=attempts)


def test_a_run_is_kept_without_its_secrets(tmp_path: Path, found: Job) -> None:
    kept = create(tmp_path / "state", found)
    kept.record(result(0))
    kept.record(result(1, State.FAILED))
    kept.record(result(1, State.FAILED, 2))
    kept.conclude(RunResult(job="J", state=State.OK, seconds=1.0, steps=(), tasks=()))
    kept.close()
    kept, spec, before = Kept.open(tmp_path / "state")
    kept.close()
    assert spec.keep_going
    assert spec.inputs.parameters == {"A": "a"}
    assert [one.tasks for one in spec.work_of(found)] == [range(2)]
    assert before == (result(0), result(1, State.FAILED, 2))
    assert json.loads((tmp_path / "state" / RESULT).read_text())["state"] == "ok"
    assert all(b"hunter2" not in path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_chosen_tasks_are_kept(tmp_path: Path, found: Job) -> None:
    work = [StepWork(found.steps[0], [{"N": "3"}])]
    Kept.create(tmp_path, spec_of(found.inputs, work, keep_going=False, secrets=[])).close()
    kept, spec, _ = Kept.open(tmp_path)
    kept.close()
    assert [one.tasks for one in spec.work_of(found)] == [({"N": "3"},)]


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path, found: Job) -> None:
    kept = create(tmp_path, found)
    kept.record(result(0))
    kept.record(result(1))
    kept.close()
    whole = (tmp_path / TASKS).read_bytes()
    for end in range(len(whole)):
        (tmp_path / TASKS).write_bytes(whole[:end])
        kept, _, before = Kept.open(tmp_path)
        assert len(before) == whole[:end].count(b"\n")
        kept.record(result(2))
        kept.close()
        kept, _, after = Kept.open(tmp_path)
        kept.close()
        assert after == (*before, result(2))


def test_a_folder_keeps_one_run(tmp_path: Path, found: Job) -> None:
    create(tmp_path, found).close()
    with pytest.raises(ConfigError, match="another run"):
        create(tmp_path, found)


def test_one_process_at_a_time_uses_it(tmp_path: Path, found: Job) -> None:
    kept = create(tmp_path, found)
    with pytest.raises(ConfigError, match="in use"):
        Kept.open(tmp_path)
    kept.close()
    Kept.open(tmp_path)[0].close()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "[" * 100_000, '{"format": 1}', "\x00", '{"format": 0, "inputs": 1, "work": [], "keepGoing": 1}'],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, found: Job, content: str) -> None:
    create(tmp_path, found).close()
    (tmp_path / JOB).write_text(content)
    with pytest.raises(ConfigError):
        Kept.open(tmp_path)


@pytest.mark.parametrize("line", ["x", "{}", '{"step": 1, "task": 0, "state": "ok"}', '{"step": "S", "task": "0"}'])
def test_a_damaged_line_is_refused(tmp_path: Path, found: Job, line: str) -> None:
    create(tmp_path, found).close()
    (tmp_path / TASKS).write_text(line + "\n")
    with pytest.raises(ConfigError):
        Kept.open(tmp_path)


def test_what_json_cannot_hold_is_refused(tmp_path: Path, found: Job) -> None:
    from dataclasses import replace

    inputs = replace(found.inputs, template={"name": object()})
    with pytest.raises(ConfigError, match="kept"):
        Kept.create(tmp_path, spec_of(inputs, [], keep_going=False, secrets=[]))


def test_no_folder_of_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keeps no run"):
        Kept.open(tmp_path)


def test_a_task_that_began_and_did_not_end_counts_as_an_attempt(tmp_path: Path, found: Job) -> None:
    kept = create(tmp_path, found)
    for task, attempt in ((0, 1), (1, 1), (1, 2)):
        kept.began(Begun(step="S", task=task, attempt=attempt))
    kept.record(result(0))
    kept.record(result(1, State.FAILED))
    kept.close()
    kept, _, before = Kept.open(tmp_path)
    kept.close()
    assert before == (result(0), TaskResult(step="S", task=1, state=State.CANCELLED, attempts=2))


def test_the_submissions_to_a_cluster_are_kept(tmp_path: Path, found: Job) -> None:
    kept = create(tmp_path, found)
    assert kept.begin("one") == []
    assert kept.begin("two") == ["one"]
    (tmp_path / RUNS).write_bytes(b"one\ntwo\nth")
    assert kept.begin("four") == ["one", "two"]
    kept.close()


def test_a_folder_of_another_format_is_refused_by_its_number(tmp_path: Path, found: Job) -> None:
    create(tmp_path, found).close()
    document = json.loads((tmp_path / JOB).read_text())
    (tmp_path / JOB).write_text(json.dumps({**document, "format": 2, "more": True}))
    with pytest.raises(IntegrityError, match="has format 2, and this program is too old"):
        Kept.open(tmp_path)
    (tmp_path / JOB).write_text(json.dumps({**document, "format": "odd"}))
    with pytest.raises(ConfigError, match="format 'odd', not 1"):
        Kept.open(tmp_path)


def test_a_run_of_more_tasks_than_there_are_is_refused(tmp_path: Path, found: Job) -> None:
    create(tmp_path, found).close()
    document = json.loads((tmp_path / JOB).read_text())
    document["work"][0]["count"] = 50_000
    (tmp_path / JOB).write_text(json.dumps(document))
    kept, spec, _ = Kept.open(tmp_path)
    kept.close()
    with pytest.raises(ConfigError, match="has 3 tasks, not 50000"):
        spec.work_of(found)
