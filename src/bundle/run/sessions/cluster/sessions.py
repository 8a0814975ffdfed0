"""Sessions on the workers of a cluster, as the submitter sees them."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bundle.artifacts.work import SESSION, Piece, session_resource
from bundle.base.errors import BundleError, ConfigError, error_of
from bundle.run.cluster.cluster import Cluster
from bundle.run.cluster.messages import Told
from bundle.run.cluster.submission import Submission
from bundle.run.sessions.cluster.host import SessionHost
from bundle.run.sessions.cluster.offered import Offered
from bundle.run.sessions.log import Line
from bundle.run.sessions.result import ActionResult, NoPlaceError, SessionLostError, State, TaskResult

_PLACE = 45.0
"""Seconds until a session gives its task back if no worker has a place for it."""

_SENDERS = 4
"""Parts of bundles that are sent at once."""


class WorkerSession:
    """A session on some worker, as `Session` is one here."""

    folder: Path | None = None

    def __init__(self, submission: Submission, piece: Piece, output: Callable[[Line], object]) -> None:
        self.left: tuple[int, ...] = ()
        self.failed_environment: tuple[str, str | None] | None = None
        self._submission = submission
        self._piece = piece
        self._output = output
        self._events: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._attempt = 0
        self._gone = False
        self._usable = True
        self._cancelled: tuple[float | None] | None = None
        self._began = False
        self._guard = threading.Lock()

    @property
    def usable(self) -> bool:
        """Whether it can run another task."""
        return self._usable and self._cancelled is None

    def take(self, value: Mapping[str, Any]) -> None:
        """Take what the session's worker told."""
        if "line" in value:
            self._output(Line(**value["line"]))
        else:
            self._events.put(value)

    def run(self, step: str, task: int | Mapping[str, str], attempt: int = 1) -> TaskResult:
        """Run a task.

        Raises:
            SessionLostError: the worker is gone, and nothing of the task runs any more.
            BundleError: the session cannot begin on its worker.
        """
        if not self._began:
            self._began = True
            self._submission.add(self._piece)
            if not self._await_worker():
                place = task if isinstance(task, int) else -1
                return TaskResult(
                    step=step, task=place, state=State.CANCELLED, attempts=attempt, session=self._piece.name
                )
        told_task = task if isinstance(task, int) else dict(task)
        self._send({"do": "run", "step": step, "task": told_task, "attempt": attempt})
        told = self._next()
        while "closed" in told:  # The worker ends, and has given the task back.
            told = self._next()
        if "error" in told:
            error = error_of(told["error"])
            error.details = (*error.details, f"on the worker {told['worker']}")
            raise error
        self._usable = told["usable"]
        if told["environment"]:
            name, of = told["environment"]
            self.failed_environment = name, of
        return TaskResult(**told["result"])

    def cancel(self, limit: float | None = None) -> None:
        """Cancel what runs."""
        with self._guard:
            self._cancelled = (limit,)
            ready = self._attempt
        if ready:
            self._send({"do": "cancel", "limit": limit})
        elif self._began:
            self._events.put({"cancelled": True})

    def close(self) -> tuple[ActionResult, ...]:
        """End it, and return the exits that failed."""
        self._usable = False
        if not self._attempt or self._gone:
            return ()
        self._send({"do": "close"})
        try:
            told = self._next()
            while "closed" not in told:
                told = self._next()
        except SessionLostError:
            return ()
        self.left = tuple(told["left"])
        return tuple(ActionResult(**one) for one in told["closed"])

    def _await_worker(self) -> bool:
        """Wait until a worker has the session, and return whether it has; False if it was cancelled before."""
        try:
            told = self._next(_PLACE)
            if "begun" in told:
                told = self._next()  # It may have to install the runtime.
        except queue.Empty:
            # It must not keep its task from sessions that have a worker.
            self._submission.send(self._piece, 1, {"do": "close"})
            self._submission.withdraw(self._piece)
            self._usable, self._gone = False, True
            raise NoPlaceError(f"{self._piece.name} found no place on a worker.") from None
        if "cancelled" in told:
            return False
        with self._guard:
            self._attempt = told["ready"]
            cancelled = self._cancelled
        if cancelled is not None:
            self._send({"do": "cancel", "limit": cancelled[0]})
        return True

    def _next(self, seconds: float | None = None) -> Mapping[str, Any]:
        told = self._events.get(timeout=seconds)
        if "gone" in told:
            self._usable, self._gone = False, True
            raise told["gone"]
        return told

    def _send(self, command: Mapping[str, Any]) -> None:
        self._submission.send(self._piece, self._attempt, dict(command))


@contextmanager
def sessions_on(
    cluster: Cluster, host: SessionHost, bundles: Offered, run: str
) -> Iterator[Callable[[str, Callable[[Line], object]], WorkerSession]]:
    """Give what makes sessions on a cluster's workers while the block runs.

    Args:
        bundles: of the runtime, for workers that lack it.
        run: the name of the submission.

    Raises:
        ConfigError: no worker takes sessions.
    """
    sessions: dict[str, WorkerSession] = {}
    over = threading.Event()

    def tell(told: Told) -> None:
        if told.value is not None and "wants" in told.value:
            senders.submit(send, told)
        elif told.value is not None:
            sessions[told.piece.name].take({**told.value, "worker": told.worker})

    def send(told: Told) -> None:
        with suppress(Exception):  # A scheduler that is gone is told elsewhere.
            submission.send(told.piece, told.attempt, bundles.answer(told.value["wants"]))

    def serve(submission: Submission) -> None:
        try:
            for done in submission.finished(over.is_set):
                name, error = done.piece.name, done.outcome.error
                sessions[name].take({"gone": error or SessionLostError(f"The worker of {name} is gone.")})
        except BundleError as error:
            for session in sessions.values():
                session.take({"gone": error})

    places = _places(cluster, bundles)
    cluster.require((_piece("sessions", host, {}),))
    with ThreadPoolExecutor(_SENDERS) as senders, Submission(cluster, (), tell, run) as submission:
        thread = threading.Thread(target=serve, args=(submission,), daemon=True)
        thread.start()

        def opened(name: str, output: Callable[[Line], object]) -> WorkerSession:
            sessions[name] = WorkerSession(submission, _piece(name, host, next(places)), output)
            return sessions[name]

        try:
            yield opened
        finally:
            over.set()
            thread.join(5)
            bundles.close()


def _places(cluster: Cluster, bundles: Offered) -> Iterator[Mapping[str, float]]:
    """Return what each next session needs of its worker: one that the submitter has a bundle for, if it has any.

    Raises:
        ConfigError: there is no such worker.
    """
    if not bundles.digests:
        return itertools.repeat({})
    workers = cluster.workers()
    found = [key for one in workers for key in one.platforms for _ in range(int(one.resources.get(SESSION, 0)))]
    able = [key for key in found if key in bundles.digests]
    if not able:
        raise ConfigError(
            f"No worker of {cluster.address} runs what the bundle is for: {', '.join(bundles.digests)}.",
            remedy="Name a remote that has it for the workers' platforms with --runtime-from, or build it for them.",
            details=[str(one) for one in workers[:20]],
        )
    if left := sorted({*found} - {*able}):
        cluster.reporter.warning(f"Workers for {', '.join(left)} get no sessions: there is no bundle for them here.")
    return ({session_resource(key): 1} for key in itertools.cycle(able))


def _piece(name: str, host: SessionHost, needs: Mapping[str, float]) -> Piece:
    return Piece(name=name, work=host, needs={SESSION: 1, **needs}, repeated=False)
