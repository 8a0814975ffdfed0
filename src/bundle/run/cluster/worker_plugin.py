"""The worker's side: runs attempts, ends those that may not go on, and keeps results until they are fetched."""

from __future__ import annotations

import json
import pickle
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bundle.artifacts.store.scratch import scratch_folder
from bundle.artifacts.work import Machine
from bundle.base.errors import BundleError, WorkError
from bundle.base.folders import files_below
from bundle.run.cluster.fence import BEAT, Lease
from bundle.run.cluster.messages import PART, TAKEN, WORKER_ENDS, Attempt, Outcome, Result

if TYPE_CHECKING:
    from distributed import Client, Worker, WorkerPlugin

NAME = "bundle"
"""Of the plugin."""

_FLUSH = 0.1
"""Seconds that lines of a log are gathered."""

_POLL = 0.5

_MOST_PENDING = 2**18
"""Bytes of lines that wait; work that says more in that time is slowed down."""

_LONGEST_LINE = 2**16

CANCELLED, LEASE_OVER = "cancelled", "the submitter was not heard"


@dataclass(kw_only=True)
class AttemptContext:
    """The place of one attempt on this worker."""

    name: str
    attempt: int
    machine: Machine
    folder: Path
    results: Path
    number: int
    submission: _Submission
    inbox: str
    stopped: threading.Event = field(default_factory=threading.Event)
    why: str = ""
    """Why it was stopped."""
    arrived: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    reader: threading.Thread | None = None

    def say(self, line: str) -> None:
        """Send a line of the log to the submitter."""
        self.submission.send({"line": line[:_LONGEST_LINE], **self._mark}, size=len(line))

    def tell(self, value: Any) -> None:
        """Send a JSON value to the submitter at once."""
        # Dask takes plain types alone, and JSON has others as these.
        self.submission.send({"told": json.loads(json.dumps(value)), **self._mark})

    def receive(self, seconds: float) -> Any:
        """Return the next value that the submitter has sent to this attempt; None if none comes in a time."""
        if self.reader is None:
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        try:
            return self.arrived.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self) -> None:
        # In a thread of its own, because it waits for as long as the system does where a link is cut.
        while not self.stopped.is_set() and self.submission.contexts.get((self.number, self.attempt)) is self:
            try:
                value = self.submission.receive(self.inbox, _POLL)
            except Exception:  # noqa: BLE001 - a scheduler that is gone ends the lease
                self.stopped.wait(_POLL)
                continue
            if value is not None:
                self.arrived.put(value)

    def stop(self, why: str) -> None:
        """Ask the work to end."""
        self.why = self.why or why
        self.stopped.set()

    @property
    def _mark(self) -> dict[str, int]:
        return {"number": self.number, "attempt": self.attempt}


class _Submission:
    """Everything of one submitter on this worker."""

    def __init__(self, run: str, client: Client, send: Callable[[str, Any], None], lease: Lease) -> None:
        self.lease = lease
        self.over = False
        """Whether the submitter has said that nothing may go on."""
        self.contexts: dict[tuple[int, int], AttemptContext] = {}
        """Those of attempts that run, or whose results wait, by number and attempt."""
        self.waiting: dict[tuple[int, int], ExitStack] = {}
        """The folders of results that wait."""
        self._run = run
        self._client = client
        self._send = send
        self._pending: list[Any] = []
        self._size = 0
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any], *, size: int = 0) -> None:
        """Send a message to the submitter, those before it first."""
        with self._lock:
            self._pending.append(dict(message))
            self._size += size
            full = self._size > _MOST_PENDING
        if full:
            self.flush()
            time.sleep(_FLUSH)

    def flush(self) -> None:
        """Send what was gathered."""
        with self._lock:
            if self._pending:
                self._send(self._run, self._pending)
            self._pending, self._size = [], 0

    def claim(self, ticket: str) -> bool:
        """Take the ticket of an attempt; False if another process took it, or nobody waits for the result."""
        from distributed import Queue

        try:
            Queue(ticket, client=self._client).get(timeout=5)
        except TimeoutError:
            return False
        return True

    def receive(self, inbox: str, seconds: float) -> Any:
        """Return the next value of a queue; None if none comes in a time."""
        from distributed import Queue

        try:
            return Queue(inbox, client=self._client).get(timeout=seconds)
        except TimeoutError:
            return None

    def hear(self) -> None:
        """Ask for the submitter's sign of life; where a link is cut, this waits longer than any lease lasts."""
        from distributed import Variable

        with suppress(Exception):  # Without an answer, the lease runs on.
            self.lease.hear(Variable(self._run, client=self._client).get(timeout=BEAT * 5))

    @property
    def ending(self) -> str:
        """Why the work has to end; empty if it may go on."""
        return CANCELLED if self.over else LEASE_OVER if self.lease.over else ""

    def release(self, place: tuple[int, int]) -> None:
        """Remove the folder of an attempt."""
        self.contexts.pop(place, None)
        if stack := self.waiting.pop(place, None):
            stack.close()

    def close(self, why: str) -> None:
        """Stop all work, and remove the results that wait."""
        for context in tuple(self.contexts.values()):
            context.stop(why)
        for place in tuple(self.waiting):
            self.release(place)


class AttemptRunner:
    """What a worker has to run attempts.

    Args:
        root: gets the folders of attempts.
    """

    def __init__(self, root: Path, machine: Machine) -> None:
        self._root = root
        self._machine = machine
        self._submissions: dict[str, _Submission] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._worker: Worker | None = None

    def plugin(self) -> WorkerPlugin:
        """Return what tells Dask of the runner."""
        from distributed import WorkerPlugin

        class Plugin(WorkerPlugin):
            name = NAME
            runner = self

            def setup(self, worker: Worker) -> None:
                self.runner.open(worker)

            def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
                self.runner.close(patience=0.0)

        return Plugin()

    def open(self, worker: Worker) -> None:
        """Begin to watch the leases."""
        self._worker = worker
        for target in (self._hear, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def perform(self, attempt: Attempt, client: Client) -> bytes:
        """Run an attempt to its end, and return its pickled outcome."""
        try:
            submission = self._submission(attempt, client)
            outcome = self._performed(attempt, submission) if submission.claim(attempt.ticket) else Outcome(ended=TAKEN)
        except Exception as error:  # noqa: BLE001 - the submitter tells it
            outcome = Outcome(error=_explained(error, attempt.name))
        return pickle.dumps(outcome)

    def part(self, run: str, place: tuple[int, int], path: str, offset: int) -> bytes:
        """Return a part of a result's file."""
        context = self._submissions[run].contexts[place]
        with (context.results / path).open("rb") as file:
            file.seek(offset)
            return file.read(PART)

    def end(self, run: str) -> None:
        """Stop everything of one submitter, soon."""
        if submission := self._submissions.get(run):
            submission.over = True

    def runs(self, run: str) -> bool:
        """Return whether something of a submitter runs, or its results wait."""
        submission = self._submissions.get(run)
        return submission is not None and bool(submission.contexts)

    def release(self, run: str, place: tuple[int, int]) -> None:
        """Remove the result of an attempt, which was fetched."""
        if submission := self._submissions.get(run):
            submission.release(place)

    def close(self, *, patience: float) -> None:
        """Stop all work, and refuse more.

        Args:
            patience: seconds for work to end, and for results to be fetched.
        """
        self._closing.set()
        with self._lock:
            submissions = tuple(self._submissions.values())
        for submission in submissions:
            for context in tuple(submission.contexts.values()):
                context.stop(WORKER_ENDS)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(submission.contexts for submission in submissions):
            time.sleep(0.05)
        for submission in submissions:
            submission.close(WORKER_ENDS)

    def _submission(self, attempt: Attempt, client: Client) -> _Submission:
        with self._lock:
            if attempt.run not in self._submissions:
                assert self._worker is not None  # noqa: S101 - set up before it gets work
                lease = Lease(seconds=attempt.lease, clock=time.monotonic)
                self._submissions[attempt.run] = _Submission(attempt.run, client, self._worker.log_event, lease)
            return self._submissions[attempt.run]

    def _performed(self, attempt: Attempt, submission: _Submission) -> Outcome:
        place = attempt.number, attempt.count
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder(self._root, name="attempt"))
            results = folder / "results"
            results.mkdir()
            context = AttemptContext(
                name=attempt.name,
                attempt=attempt.count,
                machine=self._machine,
                folder=folder,
                results=results,
                number=attempt.number,
                submission=submission,
                inbox=attempt.inbox,
            )
            submission.contexts[place] = context
            stack.callback(submission.contexts.pop, place, None)
            assert self._worker is not None  # noqa: S101 - set up before it gets work
            submission.send({"began": self._worker.address, "number": attempt.number, "attempt": attempt.count})
            submission.flush()
            if self._closing.is_set():
                return Outcome(ended=WORKER_ENDS)
            value, error = None, None
            try:
                value = attempt.work(context)
            except Exception as failure:  # noqa: BLE001 - the submitter tells it
                error = _explained(failure, attempt.name)
            submission.flush()
            if context.stopped.is_set():
                return Outcome(ended=context.why)
            if error is not None:
                return Outcome(error=error)
            files = {
                Path(one.path).relative_to(results).as_posix(): Result.of(Path(one.path))
                for one in files_below(results)
            }
            if files:
                submission.waiting[place] = stack.pop_all()
            return Outcome(value=value, files=files)

    def _hear(self) -> None:
        while not self._closing.wait(BEAT):
            with self._lock:
                submissions = tuple(self._submissions.values())
            for submission in submissions:
                submission.hear()

    def _watch(self) -> None:
        while not self._closing.wait(_FLUSH):
            with self._lock:
                submissions = tuple(self._submissions.items())
            for run, submission in submissions:
                submission.flush()
                if why := submission.ending:
                    submission.close(why)
                    if not submission.contexts:
                        with self._lock:
                            self._submissions.pop(run, None)


def perform(attempt: Attempt) -> bytes:
    """Run an attempt on the worker that this process is; Dask calls it in a thread."""
    from distributed import get_client, get_worker

    return _runner(get_worker()).perform(attempt, get_client())


def part(run: str, place: tuple[int, int], path: str, offset: int, dask_worker: Worker) -> bytes:
    """Return a part of a result's file, on the worker that has it."""
    return _runner(dask_worker).part(run, (place[0], place[1]), path, offset)


def release(run: str, place: tuple[int, int], dask_worker: Worker) -> None:
    """Remove a result from the worker that has it."""
    _runner(dask_worker).release(run, (place[0], place[1]))


def end(run: str, dask_worker: Worker) -> None:
    """Stop everything of one submitter on a worker."""
    _runner(dask_worker).end(run)


def runs(run: str, dask_worker: Worker) -> bool:
    """Return whether something of a submitter runs on a worker."""
    return _runner(dask_worker).runs(run)


def _runner(worker: Worker) -> AttemptRunner:
    # Only workers that have it have the resource that work needs.
    runner: AttemptRunner = cast(Any, worker.plugins[NAME]).runner
    return runner


def _explained(error: Exception, name: str) -> BundleError:
    if isinstance(error, BundleError):
        return error
    return WorkError(f"{name} failed on its worker: {type(error).__name__}: {error}")
