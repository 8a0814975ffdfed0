"""The engine: runs one job, from its validation to its outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from bundle.base.errors import BundleError, ConfigError, WorkError
from bundle.base.processes.stream import Sink
from bundle.base.processes.supervised import Ended, Limits, Supervised
from bundle.run.jobs.command import CommandBuilder, Job, Launch
from bundle.run.jobs.environment import BUNDLE
from bundle.run.jobs.installation import Installation
from bundle.run.jobs.keys import Keys
from bundle.run.jobs.masking import Masker
from bundle.run.jobs.outcome import (
    MOST_FILES,
    RESULT_FILE,
    Outcome,
    State,
    read_result,
    snapshot,
    state_of,
    written,
)
from bundle.run.jobs.provisioning import Asked, Provided, Provisioning

_SLICE = 0.5
"""Seconds of one wait; on Windows a longer one could not be interrupted."""


_EARLY = "It was stopped before its start."

FindPython = Callable[[str], Installation]
"""Returns the Python for the `bundle:VERSION` of a job, which may be empty, or raises ConfigError."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all jobs of a machine share."""

    python: FindPython
    environ: Mapping[str, str] = field(repr=False)
    """The variables that scripts inherit."""
    keys: Keys = field(default_factory=Keys)
    """Decrypt secure values."""
    provisioning: Provisioning | None = None
    """Makes environments; without it, jobs that ask for packages are refused."""


class _NotMadeError(WorkError):
    """An environment was not made, because of what became of the program that makes it."""

    def __init__(self, what: str, state: State, reason: str) -> None:
        super().__init__(what)
        self.state = state
        self.reason = reason


class Engine:
    """Runs one job: `init`, `run`, `stop` from any thread, `close`; usable by itself, from Python.

        with Engine(job, surroundings, output=sys.stdout.buffer.write) as engine:
            outcome = engine.run()

    Args:
        output: takes the output as it comes, secrets masked, standard output and error in one; called in one thread.
        warn: takes warnings, masked.
        changed: is told each new state.
    """

    def __init__(
        self,
        job: Job,
        surroundings: Surroundings,
        *,
        output: Sink,
        warn: Callable[[str], object] = lambda _: None,
        changed: Callable[[State], object] = lambda _: None,
    ) -> None:
        self._job = job
        self._surroundings = surroundings
        self._output = output
        self._warn = warn
        self._changed = changed
        self._masker = Masker()
        self._warnings: list[str] = []
        self._launch: Launch | None = None
        self._python: Installation
        self._running: Supervised | None = None
        self._provided: Provided | None = None
        self._begun = 0.0
        self._asked = False
        self._guard = threading.Lock()
        self.state = State.WAITING
        self.outcome: Outcome | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def mark(self) -> str:
        """What finds the job's processes once this one is lost (`sweep`); empty before the start."""
        return self._running.mark if self._running is not None else ""

    def init(self) -> None:
        """Check the job, find its Python, and decrypt its secure values, all before anything starts.

        Raises:
            BundleError: it cannot start; it is then finished with an error.
        """
        self._enter(State.INITIALIZING)
        try:
            self._python = self._base()
            launch = self._build(self._python)
        except BundleError as error:
            self._finish(self._unstarted(error))
            raise
        self._masker = Masker(launch.secrets)
        for warning in launch.warnings:
            self._note(warning)
        self._launch = launch

    def run(self) -> Outcome:
        """Run the job to its end and return what became of it; `init` is done if it was not.

        An interrupt stops the job as `stop` does, and is raised once it has ended.

        Raises:
            BundleError: it cannot start; it is then finished with an error.
        """
        if self._launch is None:
            self.init()
        assert self._launch is not None  # noqa: S101 - init sets it or raises
        started, self._begun = time.time(), time.monotonic()
        try:
            launch = self._prepared(self._launch)
            before = snapshot(self._job.folder)
            running = self._start(launch.command, launch.env, self._job.folder, self._limits())
            if running is not None:
                self._enter(State.RUNNING)
            ended = self._wait(running) if running is not None else None
        except _NotMadeError as error:
            return self._finish(self._told(error.state, error.reason, started))
        except BundleError as error:
            self._finish(self._unstarted(error))
            raise
        if ended is None:
            return self._finish(self._cancelled(started))
        self._flush()
        state, reason = state_of(ended.code, ended.reason, self._job.config.exit_codes)
        outcome = Outcome(
            job_id=self._job.config.job_id,
            state=state,
            reason=self._masker.text(reason),
            exit_code=ended.code,
            started_at=started,
            ended_at=time.time(),
            seconds=ended.seconds,
            peak_memory=ended.peak,
        )
        files = written(before, snapshot(self._job.folder))
        result = None
        if any(file.path == RESULT_FILE for file in files):
            result, problem = read_result(self._job.folder)
            if problem:
                self._note(problem)
        if ended.left:
            self._note(f"Processes that could not be ended: {', '.join(map(str, ended.left))}.")
        if ended.failure is not None:
            self._note(f"A part of the output is lost: {ended.failure}.")
        listed = tuple(replace(file, path=self._masker.text(file.path)) for file in files[:MOST_FILES])
        found = replace(outcome, files=listed, files_total=len(files), result=self._masker.value(result))
        return self._finish(replace(found, warnings=tuple(self._warnings)))

    def stop(self) -> None:
        """Ask the job to end, with all its processes; they are killed after its grace. One that waits never starts."""
        with self._guard:
            self._asked = True
            running = self._running
        if running is not None:
            running.stop()

    def close(self) -> None:
        """End the job if it runs, at once, and wait until nothing of it is left; may be called again."""
        with self._guard:
            self._asked = True
            running = self._running
        if running is not None:
            running.stop(kill=True)
            running.wait()
        if self._provided is not None:
            self._provided.release()
            self._provided = None

    def _base(self) -> Installation:
        wanted = self._job.config.environment
        if wanted.installs and self._surroundings.provisioning is None:
            raise ConfigError("Jobs get no environments here.", remedy="Remove runtimeConfig.environment.")
        return self._surroundings.python(wanted.python if wanted.python.startswith(BUNDLE) else "")

    def _build(self, python: Installation) -> Launch:
        return CommandBuilder(self._surroundings.environ, self._surroundings.keys).build(self._job, python)

    def _prepared(self, launch: Launch) -> Launch:
        """Return what is started once the job's environment is there.

        Raises:
            _NotMadeError: it was stopped, took too long, or its installer failed, whose words are in the output.
        """
        config, provisioning = self._job.config, self._surroundings.provisioning
        if not config.environment.installs or provisioning is None:
            return launch
        asked = Asked(environment=config.environment, folder=self._job.folder, base=self._python, variables=launch.env)
        self._provided = provisioning.provide(asked, self._run_before)
        return self._build(self._provided.python)

    def _run_before(self, what: str, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        """Run a program that the job needs first, with the job's time limit and its stop."""
        running = self._start(command, env, folder, replace(self._limits(), memory=None))
        if running is None:
            raise _NotMadeError(f"{what} is not made.", State.CANCELLED, _EARLY)
        self._enter(State.INITIALIZING)  # Tells the mark of this program.
        ended = self._wait(running)
        self._flush()
        if ended.code == 0 and ended.reason is None:
            return
        state, reason = state_of(ended.code, ended.reason, {})
        reason = f"{what} could not be made: {reason or 'the log tells why'}"
        raise _NotMadeError(reason, state, reason)

    def _limits(self) -> Limits:
        """Return the limits of what is left of the job."""
        limits = self._job.config.limits
        if limits.timeout is None:
            return limits
        return replace(limits, timeout=max(0.1, limits.timeout - (time.monotonic() - self._begun)))

    def _start(self, command: Sequence[str], env: Mapping[str, str], folder: Path, limits: Limits) -> Supervised | None:
        with self._guard:
            if self._asked:
                return None
            self._running = Supervised(command, env=env, cwd=folder, limits=limits, output=self._hand_on)
        return self._running

    def _wait(self, running: Supervised) -> Ended:
        try:
            while (ended := running.wait(_SLICE)) is None:
                pass
        except BaseException:
            running.stop()
            running.wait()
            self._flush()
            raise
        return ended

    def _hand_on(self, chunk: bytes) -> None:
        if shown := self._masker.feed(chunk):
            self._output(shown)

    def _flush(self) -> None:
        try:
            if rest := self._masker.end():
                self._output(rest)
        except OSError as error:
            self._note(f"The end of the output is lost: {error.strerror}.")

    def _note(self, warning: str) -> None:
        masked = self._masker.text(warning)
        self._warnings.append(masked)
        self._warn(masked)

    def _enter(self, state: State) -> None:
        self.state = state
        self._changed(state)

    def _unstarted(self, error: BundleError) -> Outcome:
        reason = self._masker.text(" ".join([error.what, *error.details]))
        return self._told(State.FINISHED_ERROR, reason, time.time())

    def _cancelled(self, at: float) -> Outcome:
        return self._told(State.CANCELLED, _EARLY, at)

    def _told(self, state: State, reason: str, at: float) -> Outcome:
        return Outcome(
            job_id=self._job.config.job_id, state=state, reason=reason, ended_at=at, warnings=tuple(self._warnings)
        )

    def _finish(self, outcome: Outcome) -> Outcome:
        self.outcome = outcome
        self._enter(State(outcome.state))
        return outcome
