from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.outcome import State
from bundle.run.jobs.service.store import JobStore, Row


def added(store: JobStore, size: int = 0) -> Row:
    with store.new_folder() as name:
        (store.files(name) / "app.py").write_bytes(bytes(size))
        return store.add(name, "7", "app.py", "{}", env_file=False)


def test_a_job_goes_through_its_states(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        row = added(store)
        assert (row.state, row.final, row.seconds) == ("waiting", False, None)
        assert store.move(row.id, State.WAITING, State.QUEUED)
        assert not store.move(row.id, State.WAITING, State.QUEUED)
        store.progress(row.id, State.RUNNING, "mark")
        assert not store.remove(row.id)
        store.finish(row.id, "finished_ok", {"exitCode": 0})
        found = store.get(row.id)
        assert found is not None
        assert (found.state, found.mark, found.outcome) == ("finished_ok", "", {"exitCode": 0})
        assert found.seconds is not None
    with JobStore(tmp_path / "jobs") as store:
        assert store.jobs() == [found]
        assert store.counts()["finished_ok"] == 1
        assert store.remove(row.id)
        assert not store.folder(row.id).exists()
        assert store.jobs() == []


def test_the_newest_job_comes_first(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        rows = []
        for _ in range(3):
            rows.append(added(store).id)
            time.sleep(0.002)
        assert [row.id for row in store.jobs()] == rows[::-1]
        assert [row.id for row in store.jobs(limit=1, offset=1)] == [rows[1]]
        assert store.jobs(state="running") == []


def test_two_services_do_not_use_one_folder(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs"), pytest.raises(ConfigError, match="Another service"):
        JobStore(tmp_path / "jobs")


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_other_users_may_not_look(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        assert {path.stat().st_mode & 0o077 for path in (store.root, store.root / "jobs")} == {0}


def test_an_upload_that_was_cut_off_is_removed(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        kept = added(store).id
        (tmp_path / "jobs" / "jobs" / "half").mkdir()
        with pytest.raises(ConfigError), store.new_folder() as name:
            raise ConfigError("no")
        assert not store.folder(name).exists()
    with JobStore(tmp_path / "jobs") as store:
        assert [path.name for path in (tmp_path / "jobs" / "jobs").iterdir()] == [kept]


def test_old_and_large_jobs_are_removed(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        rows = [added(store, 1000) for _ in range(4)]
        for row in rows[:3]:
            store.finish(row.id, "finished_ok", {})
            time.sleep(0.002)
        assert store.retain(seconds=3600, size=2500) == 1
        assert store.get(rows[0].id) is None
        assert store.retain(seconds=0, size=10**9) == 2
        assert [row.id for row in store.jobs()] == [rows[3].id]


def test_a_folder_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs") as store:
        store._database.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="newer version"):
        JobStore(tmp_path / "jobs")
