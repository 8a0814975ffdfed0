from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.run.jobs.engine import Surroundings
from bundle.run.jobs.installation import Installation
from bundle.run.jobs.outcome import State
from bundle.run.jobs.service.runner import Runner
from bundle.run.jobs.service.store import JobStore, Row

CONFIG = json.dumps({"jobId": "7", "engineType": "python", "packageName": "app.py"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs") as store:
        yield store


def runner_of(store: JobStore, *, fails: bool = False) -> Runner:
    def python(_: str) -> Installation:
        if fails:
            raise ConfigError("There is no Python.")
        return Installation(executable=Path("/nowhere/python3"), version="3.12.10")

    return Runner(store, Surroundings(python=python, environ={}), Reporter(), at_once=1)


def added(store: JobStore) -> Row:
    with store.new_folder() as name:
        (store.files(name) / "app.py").write_text("print()")
        return store.add(name, "7", "app.py", CONFIG, env_file=False)


def state_of(store: JobStore, row: Row) -> str:
    found = store.get(row.id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("queued", [False, True])
def test_a_job_that_has_not_begun_is_cancelled_at_once(store: JobStore, queued: bool) -> None:
    runner, row = runner_of(store), added(store)
    if queued:
        assert runner.start(row.id)
    assert runner.stop(row.id)
    assert state_of(store, row) == "cancelled"
    assert not runner.stop(row.id)
    assert not runner.start(row.id)


def test_a_stop_between_the_queue_and_the_engine_is_not_lost(store: JobStore) -> None:
    runner, row = runner_of(store), added(store)
    runner.start(row.id)
    store.move(row.id, State.QUEUED, State.INITIALIZING)
    assert runner.stop(row.id)
    runner._run(row)
    assert state_of(store, row) == "cancelled"


def test_what_ran_is_aborted_and_what_was_queued_goes_on(store: JobStore) -> None:
    lost, begun, queued = (added(store) for _ in range(3))
    store.progress(lost.id, State.RUNNING, "")
    store.progress(begun.id, State.INITIALIZING, "")
    store.move(queued.id, State.WAITING, State.QUEUED)
    runner = runner_of(store, fails=True)
    runner.open()
    while not (found := store.get(queued.id)) or not found.final:
        pass
    runner.close()
    assert [state_of(store, row) for row in (lost, begun, queued)] == ["aborted", "aborted", "finished_error"]
    assert found.outcome is not None
    assert found.outcome["reason"] == "There is no Python."
    assert b"There is no Python." in store.log(queued.id).read_bytes()


def test_a_closed_runner_leaves_the_queue_to_the_next(store: JobStore) -> None:
    runner, row = runner_of(store), added(store)
    runner.open()
    runner.close()
    assert runner.start(row.id)
    assert state_of(store, row) == "queued"
