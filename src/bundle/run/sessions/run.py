"""A run: the tasks of a job in as many sessions beside each other as wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bundle.base.errors import BundleError
from bundle.base.processes.started import Starter
from bundle.run.sessions.job import Job
from bundle.run.sessions.log import Line
from bundle.run.sessions.result import (
    ActionResult,
    Begun,
    NoPlaceError,
    RunResult,
    SessionLostError,
    State,
    TaskResult,
)
from bundle.run.sessions.schedule import Schedule, StepWork, Task
from bundle.run.sessions.session import Session, Settings

_POLL = 0.5
"""Seconds of one wait; on Windows a longer one could not be interrupted."""

_MOST_LOST = 3
"""Sessions that may be lost with one task before the run ends: it may be what ends their workers."""


class AnySession(Protocol):
    """A session here or on another machine; as `Session`."""

    @property
    def folder(self) -> Path | None:
        """Its working folder, if it is on this machine."""

    @property
    def left(self) -> tuple[int, ...]:
        """Processes that could not be ended."""

    @property
    def failed_environment(self) -> tuple[str, str | None] | None:
        """The environment that could not be entered, and its step."""

    @property
    def usable(self) -> bool:
        """Whether it can run another task."""

    def run(self, step: str, task: int | Mapping[str, str], attempt: int = 1) -> TaskResult:
        """Run a task."""

    def cancel(self, limit: float | None = None) -> None:
        """Cancel what runs."""

    def close(self) -> tuple[ActionResult, ...]:
        """End it, and return the exits that failed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What runs, and how."""

    work: Sequence[StepWork]
    settings: Settings
    parallel: int = 1
    """Sessions beside each other."""
    keep_going: bool = False
    before: tuple[TaskResult, ...] = ()
    """Results of earlier runs; tasks that ended well do not run again."""
    session_name: str = "session"
    """What the names of sessions begin with."""


class Run:
    """Runs a job in this process; `run` waits, `cancel` may be called by any thread.

    Args:
        output: takes the lines of all logs, one at a time.
        ended: is told each task's end, one at a time, before another task may depend on it.
        began: gets each task's beginning.
        starters: that may be used; they are ended with the run.
        opened: makes a session of a name, with its log; by default one in this process.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        *,
        output: Callable[[Line], object],
        ended: Callable[[TaskResult], object] = lambda _: None,
        began: Callable[[Begun], object] = lambda _: None,
        starters: Sequence[Starter] = (),
        opened: Callable[[str, Callable[[Line], object]], AnySession] | None = None,
    ) -> None:
        self._job = job
        self._opened = opened
        self._plan = plan
        self._output = output
        self._ended = ended
        self._began = began
        self._starters = list(starters)
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._sessions: set[AnySession] = set()
        self._results: list[TaskResult] = []
        self._exits: list[ActionResult] = []
        self._left: list[int] = []
        self._folders: list[str] = []
        self._failure: BaseException | None = None
        self._count = self._lanes = 0
        self._over = threading.Event()
        self._mute = False
        """Whether the output takes nothing more."""
        self._cancelled: tuple[float | None] | None = None
        self._attempts = {(one.step, one.task): one.attempts for one in plan.before}
        self._losses: dict[tuple[str, int], int] = {}
        self._before = {
            (one.step, one.task): one for one in plan.before if one.state == State.OK and _within(plan.work, one)
        }
        self._schedule = Schedule(plan.work, done=_places(self._before), keep_going=plan.keep_going)

    def run(self) -> RunResult:
        """Run all tasks and return what became of them.

        An interrupt cancels them, in the way that their templates say; a second one does so at once.

        Raises:
            BundleError: a session cannot begin, or a result cannot be kept, or the output takes no more lines.
            OSError: the output takes no more lines.
        """
        started = time.monotonic()
        self._lanes = self._width()
        for _ in range(self._lanes):
            threading.Thread(target=self._lane, daemon=True).start()
        interrupts = 0
        # Not by joining threads: an interrupted join takes a thread that runs for one that has ended.
        while True:
            try:
                if self._over.wait(_POLL):
                    break
            except KeyboardInterrupt:
                interrupts += 1
                self.cancel(None if interrupts == 1 else 0.0)
        if self._failure is not None:
            raise self._failure
        return self._concluded(time.monotonic() - started)

    def cancel(self, limit: float | None = None) -> None:
        """Cancel what runs; environments are exited all the same.

        Args:
            limit: seconds in which it has to end, whatever time its template gives it.
        """
        with self._guard:
            self._cancelled = (limit,)
            sessions = tuple(self._sessions)
        self._schedule.bar(None)
        for session in sessions:
            session.cancel(limit)

    def _width(self) -> int:
        # A step of its own may run beside each other one, so that the number of all tasks bounds the sessions.
        return max(1, min(self._plan.parallel, sum(len(one.tasks) for one in self._plan.work)))

    def _lane(self) -> None:
        """Run tasks in one session after the other."""
        session: AnySession | None = None
        step = ""
        try:
            while (task := self._schedule.take(step)) is not None:
                if session is not None and not session.usable:
                    self._close(session)
                    session = None
                session = session or self._open()
                step = task.step
                try:
                    self._one(session, task)
                except SessionLostError as error:
                    self._lost(task, error)
                    if self._lanes > 1:
                        return  # There is a place less for sessions.
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self._fail(error)
        finally:
            if session is not None:
                self._close(session)
            with self._guard:
                self._lanes -= 1
                if self._lanes == 0:
                    self._over.set()

    def _one(self, session: AnySession, task: Task) -> None:
        attempt = self._attempts.get((task.step, task.place), 0) + 1
        state: State | None = State.FAILED
        try:
            with self._writing:
                self._began(Begun(step=task.step, task=task.place, attempt=attempt))
            found = replace(session.run(task.step, task.which, attempt), task=task.place)
            with self._writing:
                self._ended(found)
                self._results.append(found)
            state = State(found.state)
            if session.failed_environment is not None:
                self._schedule.bar(session.failed_environment[1])
        except SessionLostError:
            state = None
            raise
        finally:
            if state is not None:
                self._schedule.finish(task, state)

    def _lost(self, task: Task, error: SessionLostError) -> None:
        """Let a task run again in another session, unless it is what ends workers."""
        place = task.step, task.place
        if not isinstance(error, NoPlaceError):
            with self._guard:
                self._attempts[place] = self._attempts.get(place, 0) + 1
                self._losses[place] = self._losses.get(place, 0) + 1
            if self._losses[place] >= _MOST_LOST:
                raise error
        self._schedule.hand_back(task)

    def _here(self, name: str) -> Session:
        starter = self._starters.pop() if self._starters else None
        return Session(self._job, self._plan.settings, name, self._line, starter)

    def _open(self) -> AnySession:
        with self._guard:
            self._count += 1
            name = f"{self._plan.session_name}-{self._count}"
            session = self._opened(name, self._line) if self._opened else self._here(name)
            self._sessions.add(session)
            cancelled = self._cancelled
        if cancelled is not None:
            session.cancel(cancelled[0])
        return session

    def _close(self, session: AnySession) -> None:
        try:
            failed = session.close()
        except BundleError as error:
            self._fail(error)
            failed = ()
        with self._guard:
            self._sessions.discard(session)
            self._exits += failed
            self._left += session.left
            if self._plan.settings.keep and session.folder is not None:
                self._folders.append(str(session.folder))

    def _fail(self, error: BaseException) -> None:
        with self._guard:
            self._failure = self._failure or error
        self.cancel(0.0)

    def _line(self, line: Line) -> None:
        with self._writing:
            try:
                if not self._mute:
                    self._output(line)
            except (OSError, BundleError) as error:
                # Not here: the library may hold a session while it tells of it.
                self._mute = True
                threading.Thread(target=self._fail, args=(error,), daemon=True).start()

    def _concluded(self, seconds: float) -> RunResult:
        steps = self._schedule.results()
        if self._cancelled is not None or any(one.cancelled for one in steps):
            state = State.CANCELLED
        elif self._exits or any(one.ok < one.tasks for one in steps):
            state = State.FAILED
        else:
            state = State.OK
        return RunResult(
            job=self._job.name,
            state=state,
            seconds=round(seconds, 3),
            steps=steps,
            tasks=(*self._before.values(), *self._results),
            environments=tuple(self._exits),
            folders=tuple(self._folders),
            left=tuple(self._left),
        )


def _within(work: Sequence[StepWork], result: TaskResult) -> bool:
    return any(one.step.name == result.step and 0 <= result.task < len(one.tasks) for one in work)


def _places(results: Mapping[tuple[str, int], TaskResult]) -> dict[str, Collection[int]]:
    found: dict[str, set[int]] = {}
    for step, task in results:
        found.setdefault(step, set()).add(task)
    return dict(found)
