"""The submitter's side of work that runs: signs of life, attempts, results."""

from __future__ import annotations

import pickle
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bundle.artifacts.work import Piece
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.filenames import climbs
from bundle.base.staging import staged_file
from bundle.run.cluster import worker_plugin
from bundle.run.cluster.connection import Scheduler, unreachable
from bundle.run.cluster.fence import BEAT, MARGIN, Attempts
from bundle.run.cluster.messages import LOST, PART, TAKEN, Attempt, Finished, Listener, Outcome, Result, Told
from bundle.run.cluster.resources import WorkerInfo, identity

if TYPE_CHECKING:
    from distributed import Future

_POLL = 0.2

_LOOK = 2.0
"""Seconds between two looks at the workers."""

_GONE = 2.0
"""Seconds in which the supervisors of a process that is gone end what it ran."""

_UNSERVED = 30.0
"""Seconds to wait for another worker when the last one that could run a piece is gone."""

_CANCEL = 15.0
"""Seconds for work to end that was cancelled; its leases end what is left."""


def new_run() -> str:
    """Return a name of a submission that nobody can guess."""
    return f"bundle-{secrets.token_hex(16)}"


class Submission:
    """Work that is being run; a context manager that cancels what is left.

    Args:
        run: its name, where it is kept to end the work after this process was killed.
    """

    def __init__(
        self, scheduler: Scheduler, pieces: Iterable[Piece], listener: Listener, run: str | None = None
    ) -> None:
        self._scheduler = scheduler
        self._client = scheduler.client
        self._pieces: list[Piece] = []
        self._listener = listener
        self._run = run or new_run()
        self._attempts: list[Attempts] = []
        self._open: set[int] = set()
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._futures: dict[int, Future[bytes]] = {}
        self._names: dict[str, str] = {}
        self._unserved: dict[int, float] = {}
        self._looked = 0.0
        self._over = threading.Event()
        self._silent = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._added: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        for piece in pieces:
            self.add(piece)

    def add(self, piece: Piece) -> None:
        """Add a piece of work; safe in any thread, while others run."""
        self._added.put(piece)

    def send(self, piece: Piece, attempt: int, value: Any) -> None:
        """Send a JSON value to an attempt that has begun; safe in any thread."""
        from distributed import Queue

        inbox = self._attempt(self._pieces.index(piece), attempt).inbox
        Queue(inbox, client=self._client).put(value, timeout=10)

    def withdraw(self, piece: Piece) -> None:
        """Take back a piece that no worker has begun."""
        number = self._pieces.index(piece)
        self._attempts[number].end()
        self._open.discard(number)
        self._forget(number)

    def __enter__(self) -> Self:
        self._names = {one.address: one.name for one in self._scheduler.all_workers()}
        self._say_alive(0)
        self._client.subscribe_topic(self._run, lambda event: self._events.put(("told", event[1])))
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from distributed import Variable

        self._over.set()
        self._heart.join()
        with suppress(Exception):  # A scheduler that is gone; the leases end the work.
            self._end_all()
            self._client.unsubscribe_topic(self._run)
            Variable(self._run, client=self._client).delete()

    def finished(self, complete: Callable[[], bool] = lambda: True) -> Iterator[Finished]:
        """Run all pieces, and yield each when it has ended.

        Args:
            complete: whether no further piece will be added.
        """
        while self._take_added() or not complete():
            self._submit_due()
            for kind, value in _drained(self._events, _POLL):
                if kind == "told":
                    for message in value:
                        self._tell(message)
                elif kind == "ended":
                    yield self._end(value, Outcome(ended=LOST))
                elif (done := self._done(*value)) is not None:
                    yield done
            yield from self._look()

    def _take_added(self) -> bool:
        """Take in what was added, and return whether a piece is open."""
        while not self._added.empty():
            self._open.add(len(self._pieces))
            self._attempts.append(Attempts())
            self._pieces.append(self._added.get())
        return bool(self._open)

    def _submit_due(self) -> None:
        now = time.monotonic()
        for number in sorted(self._open):
            attempts = self._attempts[number]
            if attempts.running or attempts.due > now:
                continue
            if attempts.current and not self._pieces[number].repeated:
                attempts.end()
                self._events.put(("ended", number))
            else:
                self._submit(number)

    def _submit(self, number: int) -> None:
        from distributed import Queue

        piece, count = self._pieces[number], self._attempts[number].begin()
        attempt = self._attempt(number, count)
        try:
            Queue(attempt.ticket, client=self._client).put(True, timeout=10)
            future = self._client.submit(
                pickle.loads,
                attempt.sealed(worker_plugin.perform),
                key=attempt.ticket,
                pure=False,
                retries=0,
                resources={**piece.needs, identity(): 1},
            )
        except Exception as error:
            raise unreachable(self._scheduler.address) from error
        self._futures[number] = future
        future.add_done_callback(partial(self._noticed, number, count))

    def _attempt(self, number: int, count: int) -> Attempt:
        piece = self._pieces[number]
        lease = self._scheduler.lease
        return Attempt(run=self._run, number=number, name=piece.name, count=count, lease=lease, work=piece.work)

    def _noticed(self, number: int, count: int, future: Future[bytes]) -> None:
        self._events.put(("done", (number, count, future)))

    def _tell(self, message: dict[str, Any]) -> None:
        number, count = message["number"], message["attempt"]
        attempts, piece = self._attempts[number], self._pieces[number]
        if "began" in message:
            attempts.began(count, message["began"])
        elif attempts.counts(count):
            worker = self._names.get(attempts.worker, attempts.worker)
            told = Told(piece=piece, attempt=count, worker=worker, line=message.get("line"), value=message.get("told"))
            self._listener(told)

    def _done(self, number: int, count: int, future: Future[bytes]) -> Finished | None:
        """Return the end of a piece; None for an attempt that does not count, or after which another one follows."""
        attempts = self._attempts[number]
        if not attempts.counts(count):
            return None
        if future.status != "finished":
            # The scheduler gave it up with its worker, or it cannot read the work.
            return self._lost(number, self._why(future))
        try:
            outcome: Outcome = pickle.loads(future.result(timeout=30))  # noqa: S301 - a worker of our own version
            if outcome.ended:
                if outcome.ended == TAKEN:
                    return self._lost(number, outcome.ended)
                attempts.hand_back(time.monotonic())
                return None
            self._fetch(number, outcome)
        except IntegrityError as error:
            outcome = Outcome(error=error)
        except Exception as error:  # noqa: BLE001 - the worker went between its result and its fetching
            return self._lost(number, str(error))
        return self._end(number, outcome)

    def _end(self, number: int, outcome: Outcome) -> Finished:
        attempts = self._attempts[number]
        attempts.end()
        self._open.discard(number)
        self._forget(number)
        worker = self._names.get(attempts.worker, attempts.worker)
        return Finished(piece=self._pieces[number], outcome=outcome, attempts=attempts.current, worker=worker)

    def _forget(self, number: int) -> None:
        if future := self._futures.pop(number, None):
            with suppress(Exception):
                future.cancel()

    def _lost(self, number: int, why: str) -> Finished | None:
        """Plan the next attempt, once nothing of this one can run any more."""
        attempts, piece = self._attempts[number], self._pieces[number]
        gone = bool(attempts.worker) and _is_gone(attempts.worker)
        wait = _GONE if gone else self._scheduler.lease + MARGIN
        again = attempts.lose(time.monotonic(), wait)
        self._forget(number)
        name = self._names.get(attempts.worker, attempts.worker) or "its worker"
        if again:
            what = "it begins again" if piece.repeated else "its work goes to others"
            self._scheduler.reporter.warning(f"{piece.name}: {name} is lost; {what} in {wait:.0f} s")
            return None
        error = WorkError(
            f"{piece.name} was given up: {attempts.lost} workers were lost while they ran it.",
            cause=f"It may need more memory than they have. The last said: {why}" if why else None,
            remedy="Look at the workers' machines, and run the same command again; what is done stays done.",
        )
        return self._end(number, Outcome(error=error))

    def _look(self) -> Iterator[Finished]:
        """Notice workers that are gone, and work that no worker can do any more."""
        if self._silent.is_set():
            raise unreachable(self._scheduler.address)
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        workers = [one for one in self._scheduler.all_workers() if identity() in one.resources]
        self._names |= {one.address: one.name for one in workers}
        there = {one.address for one in workers}
        for number in sorted(self._open):
            attempts = self._attempts[number]
            done = None
            if attempts.running and attempts.worker and attempts.worker not in there:
                # What it may have sent before its end is on its way.
                future = self._futures.get(number)
                if future is None or future.status != "finished":
                    done = self._lost(number, "it left the cluster")
            elif not attempts.worker or not attempts.running:
                done = self._without_worker(number, workers, now)
            if done is not None:
                yield done

    def _without_worker(self, number: int, workers: Sequence[WorkerInfo], now: float) -> Finished | None:
        piece = self._pieces[number]
        if any(one.has(piece.needs) for one in workers):
            self._unserved.pop(number, None)
            return None
        if now - self._unserved.setdefault(number, now) < _UNSERVED:
            return None
        needs = ", ".join(sorted(piece.needs)) or "this version of bundle"
        error = WorkError(
            f"No worker is left that can run {piece.name}.",
            cause=f"It needs {needs}.",
            remedy=f"Start one, `bundle worker {self._scheduler.address}`, and run the same command again.",
        )
        return self._end(number, Outcome(error=error))

    def _fetch(self, number: int, outcome: Outcome) -> None:
        """Bring the files of a result into the piece's target, a part at a time."""
        if not outcome.files:
            return
        target, attempts = self._pieces[number].target, self._attempts[number]
        place = number, attempts.current
        call = partial(self._on_worker, attempts.worker)
        for path, file in sorted(outcome.files.items()) if target is not None else ():
            if climbs("", path):
                raise IntegrityError(f"{self._pieces[number].name}: the worker names a result {path!r}.")
            with staged_file(Path(target or "") / path) as staging:
                with staging.open("wb") as written:
                    for offset in range(0, file.size, PART):
                        written.write(call(worker_plugin.part, self._run, place, path, offset))
                if Result.of(staging) != file:
                    raise IntegrityError(
                        f"{self._pieces[number].name}: {path} is not what its worker sent.",
                        remedy="Run the same command again; if it happens again, look at the worker's disk.",
                    )
        call(worker_plugin.release, self._run, place)

    def _on_worker(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._client.run(function, *arguments, workers=[address])[address]

    def _why(self, future: Future[bytes]) -> str:
        if self._client.status not in ("running", "connecting"):
            raise unreachable(self._scheduler.address)
        if future.status != "error":
            return str(future.status)
        error = future.exception(timeout=10)
        if type(error).__name__ in ("KilledWorker", "CancelledError", "FutureCancelledError"):
            return type(error).__name__
        said = " ".join(str(error).split())[:200]
        raise WorkError(
            f"{self._scheduler.address} cannot run the work: {type(error).__name__}: {said}",
            cause="Its Dask, or that of a worker, differs from the one here.",
            remedy="Use the same release of the library distributed everywhere.",
        )

    def _say_alive(self, beat: int) -> None:
        from distributed import Variable

        Variable(self._run, client=self._client).set(beat, timeout=5)

    def _beat(self) -> None:
        heard, beat = time.monotonic(), 0
        while not self._over.wait(BEAT):
            beat += 1
            try:
                self._say_alive(beat)
                heard = time.monotonic()
            except Exception:  # noqa: BLE001 - silence is told when it lasts
                if time.monotonic() - heard > self._scheduler.lease or self._client.status == "closed":
                    self._silent.set()

    def _end_all(self) -> None:
        """End what runs and wait for it; tasks that no worker has begun are taken back first."""
        running = {number for number in self._open if self._attempts[number].worker and self._attempts[number].running}
        for number in self._open - running:
            self._forget(number)
        # Taking a task back would leave its processes running, so its worker is told.
        workers = [one.address for one in self._scheduler.all_workers() if identity() in one.resources]
        self._client.run(worker_plugin.end, self._run, workers=workers, on_error="ignore")
        deadline = time.monotonic() + _CANCEL
        while time.monotonic() < deadline and any(
            number in self._futures and not self._futures[number].done() for number in running
        ):
            time.sleep(_POLL)
        for number in tuple(self._futures):
            self._forget(number)


def _is_gone(address: str) -> bool:
    """Return whether nothing listens at a worker's address any more, so that its process has ended."""
    parts = urlsplit(address)
    if not parts.hostname or not parts.port:
        return False
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=3).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _drained(events: queue.SimpleQueue[tuple[str, Any]], timeout: float) -> Iterator[tuple[str, Any]]:
    """Yield what is in a queue, after waiting for the first."""
    try:
        yield events.get(timeout=timeout)
        while True:
            yield events.get_nowait()
    except queue.Empty:
        return
