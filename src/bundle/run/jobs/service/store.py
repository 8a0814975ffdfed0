"""The jobs of a service: one SQLite database, and a folder for each job."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bundle.base.errors import ConfigError
from bundle.base.folders import remove_tree, size_of
from bundle.run.jobs.outcome import FINAL, State

_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, job_id TEXT NOT NULL, script TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    queued REAL, started REAL, ended REAL, config TEXT NOT NULL, env_file INTEGER NOT NULL,
    mark TEXT NOT NULL DEFAULT '', outcome TEXT
);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state);
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job as the database holds it; no secret stands in it in clear."""

    id: str
    """The service's own; the name of its folder."""
    job_id: str
    """Of its configuration."""
    script: str
    state: str
    created: float
    queued: float | None
    started: float | None
    ended: float | None
    config: str
    env_file: bool
    mark: str
    outcome: Mapping[str, Any] | None

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return State(self.state) in FINAL

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has run so far."""
        return None if self.started is None else (self.ended or time.time()) - self.started

    def as_json(self) -> dict[str, Any]:
        """Return what the interface tells of it."""
        own = {"id": self.id, "jobId": self.job_id, "script": self.script, "state": self.state}
        times = {"created": self.created, "queued": self.queued, "started": self.started, "ended": self.ended}
        return {**own, **times, "seconds": self.seconds, "outcome": self.outcome}


class JobStore:
    """The database and the folders; one process at a time uses them.

    Args:
        root: the service's folder; made for its owner alone.

    Raises:
        ConfigError: another service uses it, or it is from a newer version.
    """

    def __init__(self, root: Path) -> None:
        from filelock import FileLock, Timeout

        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / "jobs").mkdir(mode=0o700, exist_ok=True)
        self._lock = FileLock(root / "lock", fallback_to_soft=False) if _knows_soft() else FileLock(root / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(
                f"Another service uses {root}.", remedy="Stop it first, or name another folder with --root."
            ) from error
        self._guard = threading.RLock()
        self._database = sqlite3.connect(root / "jobs.sqlite", check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        if self._database.execute("PRAGMA user_version").fetchone()[0] > _VERSION:
            self.close()
            raise ConfigError(
                f"{root} was written by a newer version of bundle.", remedy="Use that version, or another folder."
            )
        self._database.executescript(_SCHEMA)
        self._database.execute(f"PRAGMA user_version={_VERSION}")
        self._remove_unknown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another service use the folder."""
        with self._guard:
            self._database.close()
            self._lock.release()

    def folder(self, id: str) -> Path:  # noqa: A002 - the name that the interface has for it
        """Return the folder of a job."""
        return self.root / "jobs" / id

    def files(self, id: str) -> Path:  # noqa: A002
        """Return the folder that a job runs in."""
        return self.folder(id) / "files"

    def log(self, id: str) -> Path:  # noqa: A002
        """Return the log of a job."""
        return self.folder(id) / "log"

    @contextmanager
    def new_folder(self) -> Iterator[str]:
        """Make the folder of a new job, and yield its id; it is removed when the block fails."""
        id = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"  # noqa: A001
        self.files(id).mkdir(mode=0o700, parents=True)
        try:
            yield id
        except BaseException:
            remove_tree(self.folder(id))
            raise

    def add(self, id: str, job_id: str, script: str, config: str, *, env_file: bool) -> Row:  # noqa: A002
        """Add a job that waits.

        Args:
            config: JSON whose secure values are encrypted.
            env_file: whether the entries of `.env` become macros.
        """
        columns = "INSERT INTO jobs (id, job_id, script, state, created, config, env_file) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._execute(columns, id, job_id, script, State.WAITING.value, time.time(), config, int(env_file))
        found = self.get(id)
        assert found is not None  # noqa: S101 - it was just added
        return found

    def get(self, id: str) -> Row | None:  # noqa: A002
        """Return a job, None if there is none."""
        return next(iter(self._rows("SELECT * FROM jobs WHERE id = ?", id)), None)

    def jobs(self, *, state: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        """Return jobs, the newest first."""
        where = "WHERE state = ? " if state else ""
        chosen = [state] if state else []
        return self._rows(f"SELECT * FROM jobs {where}ORDER BY id DESC LIMIT ? OFFSET ?", *chosen, limit, offset)  # noqa: S608

    def move(self, id: str, former: State, state: State) -> bool:  # noqa: A002
        """Bring a job from one state into another; False if it is not in that one."""
        moment = {State.QUEUED: ", queued = ?", State.CANCELLED: ", ended = ?"}.get(state, "")
        times = [time.time()] if moment else []
        text = f"UPDATE jobs SET state = ?{moment} WHERE id = ? AND state = ?"  # noqa: S608 - of the two above
        return self._execute(text, state.value, *times, id, former.value) == 1

    def progress(self, id: str, state: State, mark: str) -> None:  # noqa: A002
        """Record that a job is about to run, or runs."""
        started = ", started = ?" if state is State.RUNNING else ""
        times = [time.time()] if started else []
        self._execute(f"UPDATE jobs SET state = ?, mark = ?{started} WHERE id = ?", state.value, mark, *times, id)  # noqa: S608

    def finish(self, id: str, state: str, outcome: Mapping[str, Any]) -> None:  # noqa: A002
        """Record the end of a job."""
        text = "UPDATE jobs SET state = ?, ended = ?, outcome = ?, mark = '' WHERE id = ?"
        self._execute(text, state, time.time(), json.dumps(outcome), id)

    def renew(self, id: str, config: str) -> None:  # noqa: A002
        """Replace the configuration of a job."""
        self._execute("UPDATE jobs SET config = ? WHERE id = ?", config, id)

    def remove(self, id: str) -> bool:  # noqa: A002
        """Remove a job that waits or has ended, with its folder; False if it does neither."""
        states = sorted(one.value for one in {*FINAL, State.WAITING})
        marks = ", ".join("?" * len(states))
        if self._execute(f"DELETE FROM jobs WHERE id = ? AND state IN ({marks})", id, *states) != 1:  # noqa: S608
            return False
        if self.folder(id).is_dir():
            remove_tree(self.folder(id))
        return True

    def counts(self) -> dict[str, int]:
        """Return the number of jobs in each state."""
        with self._guard:
            found = dict(self._database.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state.value: found.get(state.value, 0) for state in State}

    def retain(self, *, seconds: float, size: int) -> int:
        """Remove the oldest jobs that have ended until all are young enough and use little enough; return how many."""
        rows = [row for row in self._rows("SELECT * FROM jobs ORDER BY ended DESC") if row.final]
        removed = used = 0
        for row in rows:
            used += size_of(self.folder(row.id)) if self.folder(row.id).is_dir() else 0
            if used > size or (row.ended or row.created) < time.time() - seconds:
                removed += self.remove(row.id)
        return removed

    def _remove_unknown(self) -> None:
        """Remove folders whose upload was cut off."""
        known = {row.id for row in self._rows("SELECT * FROM jobs")}
        for path in (self.root / "jobs").iterdir():
            if path.name not in known and path.is_dir() and not path.is_symlink():
                remove_tree(path)

    def _execute(self, text: str, *values: Any) -> int:
        with self._guard:
            return self._database.execute(text, values).rowcount

    def _rows(self, text: str, *values: Any) -> list[Row]:
        with self._guard:
            found = self._database.execute(text, values).fetchall()
        return [_row(dict(one)) for one in found]


def _row(values: dict[str, Any]) -> Row:
    outcome = json.loads(values.pop("outcome") or "null")
    return Row(**{**values, "env_file": bool(values["env_file"])}, outcome=outcome)


def _knows_soft() -> bool:
    import inspect

    from filelock import FileLock

    return "fallback_to_soft" in inspect.signature(FileLock.__init__).parameters
