"""One session on this machine: it enters environments, runs tasks, and exits what it has entered."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bundle.base.errors import WorkError
from bundle.base.processes.started import Starter, starters, supported
from bundle.run.sessions import library
from bundle.run.sessions.job import Job, Step, texts
from bundle.run.sessions.log import Line, Masking
from bundle.run.sessions.result import ActionResult, State, TaskResult

_POLL = 0.5
"""Seconds of one wait; on Windows a longer one could not be interrupted."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How sessions run here; plain values."""

    root: Path
    """An existing folder of ours, for the folders of sessions."""
    environ: Mapping[str, str] = field(repr=False)
    """All variables that actions inherit."""
    secrets: tuple[str, ...] = ()
    """Names of parameters and variables whose values are masked in the log."""
    user: str | None = None
    """The user that actions run as, `USER` or `USER:GROUP`."""
    keep: bool = False
    """Whether the working folder stays."""


def with_python(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables in which the Python of this process is the last program of that name on the path.

    Actions call `python`, which some systems have not.
    """
    path = [*filter(None, [environ.get("PATH", os.defpath)]), str(Path(sys.executable).parent)]
    return {**environ, "PATH": os.pathsep.join(path)}


class Session:
    """One session. `run` and `close` wait; `cancel` may be called by any thread.

    Nothing starts before the first `run`. When it ends, nothing that it has started lives on.

    Args:
        output: takes the lines of its log, masked; called by several threads, one at a time.
        starter: one that nobody else uses; the session's from then on.
    """

    def __init__(
        self,
        job: Job,
        settings: Settings,
        name: str,
        output: Callable[[Line], object],
        starter: Starter | None = None,
    ) -> None:
        self.name = name
        self.folder: Path | None = None
        self.left: tuple[int, ...] = ()
        """Processes that could not be ended; known once it is closed."""
        self.failed_environment: tuple[str, str | None] | None = None
        """The environment that could not be entered, and the step that it is of, None if of the job."""
        self._job = job
        self._settings = settings
        self._masking = Masking(job, settings.secrets, settings.environ, output, name)
        self._actions: library.Actions | None = None
        self._starter = starter
        self._entered: list[tuple[str, str, Step | None]] = []
        self._step: Step | None = None
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._status: Any = None
        self._cancelled = False
        self._exiting = False
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def usable(self) -> bool:
        """Whether it can run another task; nothing has failed in it, and it is not cancelled."""
        return not self._broken and not self._cancelled

    def run(self, step: str, task: int | Mapping[str, str], attempt: int = 1) -> TaskResult:
        """Run a task, and enter the environments that it needs before; those of another step are exited.

        Args:
            task: its place among those of the step, or its parameters.

        Raises:
            WorkError: the session cannot begin.
            ConfigError: there is no such task.
        """
        found = self._job.step(step)
        values = found.values(task) if isinstance(task, int) else library.task_of(found.library, found.space, task)
        started = time.monotonic()
        ended = self._prepared(found) or self._run(lambda actions: actions.run(found.library, values))
        return TaskResult(
            step=step,
            task=task if isinstance(task, int) else -1,
            parameters=texts(values),
            state=ended.state,
            exit_code=ended.exit_code,
            session=self.name,
            attempts=attempt,
            seconds=round(time.monotonic() - started, 3),
            message=ended.message,
        )

    def cancel(self, limit: float | None = None) -> None:
        """Cancel what runs; nothing else starts, but for the exits of environments.

        Args:
            limit: seconds in which it has to end, whatever time its template gives it.
        """
        with self._guard:
            self._cancelled = True
            # What exits an environment is cancelled only at once.
            actions = None if self._exiting and limit is None else self._actions
        if actions is not None:
            actions.cancel(limit)

    def close(self) -> tuple[ActionResult, ...]:
        """Exit the environments, the last one first, end what is left, and return the exits that failed."""
        failed = self._exit(0) if self._actions is not None else ()
        if self._starter is not None:
            self.left = self._starter.end()
        if self._actions is not None:
            self._actions.close()
        self._actions = self._starter = None
        self._broken = True
        self._masking.close()
        return failed

    def _prepared(self, step: Step) -> ActionResult | None:
        """Enter what a step needs; return why that failed, None if it did not."""
        if self._actions is None:
            self._begin()
            for environment in self._job.environments:
                if failed := self._enter(environment, None):
                    return failed
        if step is self._step:
            return None
        if self._step is not None:
            kept = sum(of is None for _, _, of in self._entered)
            if failed_exits := self._exit(kept):
                return failed_exits[0]
        self._step = step
        for environment in step.environments:
            if failed := self._enter(environment, step):
                return failed
        return None

    def _begin(self) -> None:
        if self._broken:
            raise WorkError(f"Session {self.name} has ended.")
        settings = self._settings
        start = None
        if supported:
            self._starter = self._starter or starters(1)[0]
            start = self._start
        wanted = {"PYTHONUNBUFFERED": "1", **settings.environ}
        # Only what differs: the library writes these into files, and inherits the others.
        own = {name: wanted.get(name) for name in {*os.environ, *wanted} if os.environ.get(name) != wanted.get(name)}
        self._actions = library.Actions(
            self._job.created,
            {
                "session_id": self.name,
                "rules": self._job.inputs.rules,
                "keep": settings.keep,
                "user": settings.user,
                "root": settings.root,
            },
            environ=own,
            ended=self._told,
            records=self._masking.take,
            start=start,
        )
        self.folder = self._actions.folder
        self._masking.redacted = self._actions.redacted

    def _start(self, options: Mapping[str, Any]) -> Any:
        assert self._starter is not None  # noqa: S101 - it is set before the library knows this
        env = options.get("env")
        return self._starter.start(
            options["args"],
            env=dict(os.environ) if env is None else env,
            cwd=options.get("cwd"),
            encoding=options["encoding"],
            errors=options["errors"],
        )

    def _enter(self, environment: Any, step: Step | None) -> ActionResult | None:
        def enter(actions: library.Actions) -> None:
            known = actions.enter(environment, None if step is None else step.name)
            # Also one that fails is exited.
            self._entered.append((known, environment.name, step))

        ended = self._run(enter, environment.name)
        if ended.state == State.OK:
            return None
        self.failed_environment = environment.name, None if step is None else step.name
        return ended

    def _exit(self, keep: int) -> tuple[ActionResult, ...]:
        failed = []
        while len(self._entered) > keep:
            known, name, step = self._entered.pop()
            ended = self._run(_exits(known, step), name, exits=True)
            if ended.state != State.OK:
                failed.append(ended)
        self._step = None
        return tuple(failed)

    def _run(
        self, begin: Callable[[library.Actions], object], environment: str = "", *, exits: bool = False
    ) -> ActionResult:
        """Begin an action and wait for its end."""
        actions = self._actions
        assert actions is not None  # noqa: S101 - it has begun
        started = time.monotonic()
        with self._guard:
            if self._cancelled and not exits:
                return ActionResult(
                    state=State.CANCELLED, message="The session was cancelled.", environment=environment
                )
            # Cleared before: what has nothing to run ends within the call.
            self._ended.clear()
            self._exiting = exits
            self._status = None
            try:
                begin(actions)
            except (RuntimeError, ValueError) as error:
                self._broken = True
                return ActionResult(state=State.FAILED, message=str(error), environment=environment)
        while not self._ended.wait(_POLL):
            pass
        return self._result(environment, time.monotonic() - started)

    def _told(self, status: Any) -> None:
        actions = self._actions
        # An action that a message has failed, and that is still being ended, tells its state already.
        if status.state.value != "running" and actions is not None and not actions.running:
            self._status = status
            self._ended.set()

    def _result(self, environment: str, seconds: float) -> ActionResult:
        status = self._status
        states = {"success": State.OK, "canceled": State.CANCELLED, "timeout": State.TIMEOUT}
        state = states.get(status.state.value, State.FAILED)
        self._broken = self._broken or state != State.OK
        message = status.fail_message if state != State.OK else status.status_message
        if not message and state != State.OK:
            message = f"exit code {status.exit_code}" if status.exit_code is not None else str(state)
            message = f"environment {environment!r}: {message}" if environment else message
        return ActionResult(
            state=state,
            exit_code=status.exit_code,
            message=self._masking.text(message or ""),
            seconds=seconds,
            environment=environment,
        )


def _exits(known: str, step: Step | None) -> Callable[[library.Actions], object]:
    return lambda actions: actions.exit(known, None if step is None else step.name)
