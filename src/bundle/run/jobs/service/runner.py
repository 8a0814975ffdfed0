"""The queue of a service: runs jobs, so many at a time, and takes up what a former service left."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bundle.base.errors import BundleError
from bundle.base.processes.supervised import sweep
from bundle.base.report import Reporter
from bundle.model.records import to_json
from bundle.run.jobs.command import Job
from bundle.run.jobs.config import parse_job_config
from bundle.run.jobs.engine import Engine, Surroundings
from bundle.run.jobs.log import MOST_LOG, JobLog
from bundle.run.jobs.outcome import Outcome, State
from bundle.run.jobs.service.store import JobStore, Row

_LOST = "The service ended while it ran."


class Runner:
    """Runs the jobs of a store.

    Args:
        at_once: the number of jobs that run beside each other.
        most_log: bytes of a job's log.
    """

    def __init__(
        self,
        store: JobStore,
        surroundings: Surroundings,
        reporter: Reporter,
        *,
        at_once: int = 4,
        most_log: int = MOST_LOG,
    ) -> None:
        self.store = store
        self.at_once = at_once
        self.surroundings = surroundings
        self._reporter = reporter
        self._most_log = most_log
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._running: dict[str, Engine] = {}
        self._asked: set[str] = set()
        self._guard = threading.Lock()
        self._closing = False
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Take up what a former service left, and begin to run jobs.

        What ran is aborted, and its processes are ended; what was queued is queued again.
        """
        rows = self.store.jobs(limit=-1)[::-1]
        for row in rows:
            if row.state in (State.RUNNING, State.INITIALIZING):
                if row.mark:
                    sweep(row.mark)
                self._end(row, State.ABORTED, _LOST)
        for row in sorted(rows, key=lambda row: (row.queued or 0.0, row.id)):
            if row.state == State.QUEUED:
                self._queue.put(row.id)
        for _ in range(self.at_once):
            thread = threading.Thread(target=self._work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def start(self, id: str) -> bool:  # noqa: A002 - the name that the interface has for it
        """Put a job that waits into the queue; False if it does not wait."""
        if not self.store.move(id, State.WAITING, State.QUEUED):
            return False
        self._queue.put(id)
        return True

    def stop(self, id: str) -> bool:  # noqa: A002
        """Stop a job; False if it has ended."""
        for former in (State.WAITING, State.QUEUED):
            if self.store.move(id, former, State.CANCELLED) and (row := self.store.get(id)) is not None:
                self._end(row, State.CANCELLED, "It was stopped before its start.")
                return True
        row = self.store.get(id)
        if row is None or row.final:
            return False
        with self._guard:
            # Between the queue and its engine, a job can only be noted.
            self._asked.add(id)
            engine = self._running.get(id)
        if engine is not None:
            engine.stop()
        return True

    def close(self) -> None:
        """End all jobs that run, which are aborted, and leave the queue to the next service."""
        with self._guard:
            self._closing = True
            running = list(self._running.values())
        for engine in running:
            engine.stop()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def running(self) -> int:
        """The number of jobs that run."""
        return len(self._running)

    def _work(self) -> None:
        while (id := self._queue.get()) is not None:  # noqa: A001
            if self._closing:
                return
            # Others may have cancelled it meanwhile.
            if self.store.move(id, State.QUEUED, State.INITIALIZING) and (row := self.store.get(id)) is not None:
                try:
                    self._run(row)
                except Exception as error:  # noqa: BLE001 - the next job must run, whatever became of this one
                    self._reporter.warning(f"job {id}: {error}")
                    self._end(row, State.FINISHED_ERROR, f"The service could not run it: {type(error).__name__}.")

    def _run(self, row: Row) -> None:
        log = JobLog(self.store.log(row.id), most=self._most_log)
        outcome: Outcome | None = None
        try:
            config = parse_job_config(row.config, job_id=row.id)
            job = Job(config=config, folder=self.store.files(row.id), env_file_as_macros=row.env_file)

            def changed(state: State) -> None:
                if not state.final:
                    self.store.progress(row.id, state, engine.mark)

            def warn(text: str) -> None:
                with suppress(OSError):
                    log(f"bundle: warning: {text}\n".encode(errors="replace"))

            engine = Engine(job, self.surroundings, output=log, warn=warn, changed=changed)
            with self._guard:
                self._running[row.id] = engine
                if self._closing or row.id in self._asked:
                    engine.stop()
            with engine:
                try:
                    outcome = engine.run()
                except BundleError as error:
                    outcome = engine.outcome
                    warn(f"{outcome.reason if outcome else error.what} {error.remedy}")
        finally:
            log.close()
            with self._guard:
                self._running.pop(row.id, None)
                self._asked.discard(row.id)
        if outcome is None:
            self._end(row, State.FINISHED_ERROR, "It could not start.")
            return
        if self._closing and outcome.state == State.CANCELLED:
            outcome = replace(outcome, state=State.ABORTED.value, reason=_LOST)
        self.store.finish(row.id, str(outcome.state), to_json(outcome))

    def _end(self, row: Row, state: State, reason: str) -> None:
        outcome: dict[str, Any] = to_json(Outcome(job_id=row.job_id, state=state.value, reason=reason))
        self.store.finish(row.id, state.value, {**outcome, "startedAt": row.started})
