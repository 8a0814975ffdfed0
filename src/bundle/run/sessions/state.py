"""What a run keeps, so that another one goes on where it ended."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Self

from bundle.base.errors import BundleError, ConfigError, WorkError, too_new
from bundle.base.processes.lock import Lock, attempt
from bundle.base.staging import write_atomically
from bundle.model.records import MalformedError, from_json, to_json
from bundle.run.sessions.job import Job, JobInput
from bundle.run.sessions.result import Begun, RunResult, State, TaskResult
from bundle.run.sessions.schedule import StepWork

FORMAT = 1

JOB, TASKS, RESULT = "job.json", "tasks.jsonl", "result.json"
"""The files of the folder: what runs, a line for each task that ended, and what became of the run."""

BEGUN = "begun.jsonl"
"""A line for each task that began: one without an end may have had its effect."""

RUNS = "runs.txt"
"""The names of its submissions to a cluster, a line each; workers may still run something of the last."""

_MOST_RUNS = 9

_MOST_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """The tasks of a step that are to run."""

    step: str
    count: int
    tasks: tuple[Mapping[str, str], ...] | None = None
    """Their parameters; None for the first ones of the step."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A run, as it can begin again."""

    format: int = FORMAT
    inputs: JobInput
    work: tuple[StepSpec, ...]
    keep_going: bool
    secrets: tuple[str, ...] = ()
    """Names of parameters and variables; the values of such parameters are not kept."""

    def work_of(self, job: Job) -> list[StepWork]:
        """Return the tasks that are to run.

        Raises:
            ConfigError: the job has not as many.
        """
        for one in self.work:
            if one.tasks is None and one.count > job.step(one.step).count:
                raise ConfigError(
                    f"Step {one.step!r} has {job.step(one.step).count} tasks, not {one.count}.",
                    cause="The folder of the run was changed.",
                    remedy="Run the template again with another folder.",
                )
        return [StepWork(job.step(one.step), range(one.count) if one.tasks is None else one.tasks) for one in self.work]


def spec_of(inputs: JobInput, work: Sequence[StepWork], *, keep_going: bool, secrets: Collection[str]) -> Spec:
    """Return a run without its secrets."""
    specs = tuple(
        StepSpec(
            step=one.step.name,
            count=len(one.tasks),
            tasks=None
            if isinstance(one.tasks, range)
            else tuple(task for task in one.tasks if not isinstance(task, int)),
        )
        for one in work
    )
    clear = {name: value for name, value in inputs.parameters.items() if name not in secrets}
    return Spec(
        inputs=replace(inputs, parameters=clear), work=specs, keep_going=keep_going, secrets=tuple(sorted(secrets))
    )


class Kept:
    """The folder of a run, which one process at a time uses.

    A line of a task is written when the task has ended, and reaches the disk before anything that depends on it begins.
    """

    def __init__(self, folder: Path, lock: Lock) -> None:
        self.folder = folder
        self._lock = lock
        self._file: IO[bytes] | None = None
        self._begun: IO[bytes] | None = None

    @classmethod
    def create(cls, folder: Path, spec: Spec) -> Self:
        """Begin to keep a run.

        Raises:
            ConfigError: the folder keeps another run, or the template has values that JSON has not.
        """
        try:
            content = json.dumps(to_json(spec), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"The template cannot be kept: {error}.", remedy="Put dates and other such values in quotes."
            ) from error
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = cls._open(folder)
            if (folder / JOB).exists():
                kept.close()
                raise ConfigError(
                    f"{folder} keeps another run.",
                    remedy=f"Go on with it (`bundle session resume {folder}`), or name another folder with --state.",
                )
            write_atomically(folder / JOB, content)
        except OSError as error:
            raise WorkError(
                f"The run cannot be kept in {folder}: {error.strerror}.",
                remedy="Free space, or name a folder that can be written to with --state.",
            ) from error
        return kept

    @classmethod
    def open(cls, folder: Path) -> tuple[Self, Spec, tuple[TaskResult, ...]]:
        """Return the folder of an earlier run, what runs, and the last result of each task.

        Raises:
            ConfigError: it is no such folder, or another process uses it, or a file in it is damaged.
            IntegrityError: a newer version of this program wrote it.
        """
        if not (folder / JOB).is_file():
            raise ConfigError(f"{folder} keeps no run.", remedy="Name the folder that --state named.")
        kept = cls._open(folder)
        try:
            document = json.loads(_read(folder / JOB))
            found = document.get("format") if isinstance(document, dict) else None
            if isinstance(found, int) and found > FORMAT:
                raise too_new(str(folder), found, FORMAT)
            if found != FORMAT:
                raise MalformedError(f"it has the format {found!r:.40}, not {FORMAT}")
            spec = from_json(Spec, document)
            return kept, spec, tuple(_results(folder))
        except BundleError:
            kept.close()
            raise
        except (ValueError, OSError, RecursionError) as error:
            kept.close()
            raise ConfigError(
                f"{folder} cannot be used: {error}.",
                cause="A file was changed, or another release of bundle wrote it.",
                remedy="Run the template again with another folder.",
            ) from error

    @classmethod
    def _open(cls, folder: Path) -> Self:
        lock = attempt(str(folder / ".lock"))
        if lock is None:
            raise ConfigError(f"{folder} is in use.", remedy="Wait until the other run has ended.")
        return cls(folder, lock)

    def began(self, begun: Begun) -> None:
        """Keep that a task has begun.

        Raises:
            WorkError: it cannot be written.
        """
        try:
            if self._begun is None:
                self._begun = _append(self.folder / BEGUN)
            self._begun.write(json.dumps(to_json(begun)).encode() + b"\n")
            self._begun.flush()
        except OSError as error:
            raise WorkError(f"The run cannot be kept in {self.folder}: {error.strerror}.") from error

    def record(self, result: TaskResult) -> None:
        """Keep the result of a task.

        Raises:
            WorkError: it cannot be written.
        """
        try:
            if self._file is None:
                self._file = _append(self.folder / TASKS)
            self._file.write(json.dumps(to_json(result)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WorkError(f"The result of a task cannot be kept in {self.folder}: {error.strerror}.") from error

    def begin(self, run: str) -> list[str]:
        """Keep the name of a submission to a cluster, and return those before."""
        path = self.folder / RUNS
        before = _whole(_read(path)).decode(errors="replace").split() if path.exists() else []
        write_atomically(path, "".join(f"{one}\n" for one in (*before[-_MOST_RUNS:], run)))
        return before[-_MOST_RUNS:]

    def conclude(self, result: RunResult) -> None:
        """Keep the result of the run."""
        write_atomically(self.folder / RESULT, json.dumps(to_json(result), indent=2) + "\n")

    def close(self) -> None:
        """Let others use the folder."""
        for file in (self._file, self._begun):
            if file is not None:
                file.close()
        self._lock.release()


def _append(path: Path) -> IO[bytes]:
    """Open a file of lines behind its last whole line."""
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")  # noqa: PTH123, SIM115 - of a descriptor
    whole = len(_whole(file.read(_MOST_BYTES)))
    file.truncate(whole)
    file.seek(whole)
    return file


def _whole(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


def _results(folder: Path) -> list[TaskResult]:
    """Return the last result of each task; one that began and did not end was interrupted with its run."""
    found: dict[tuple[str, int], TaskResult] = {}
    for line in _lines(folder / TASKS):
        result = from_json(TaskResult, line)
        found[result.step, result.task] = result
    for line in _lines(folder / BEGUN):
        begun = from_json(Begun, line)
        before = found.get((begun.step, begun.task))
        if before is None or before.attempts < begun.attempt:
            found[begun.step, begun.task] = TaskResult(
                step=begun.step, task=begun.task, state=State.CANCELLED, attempts=begun.attempt
            )
    return list(found.values())


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in _whole(_read(path)).splitlines()] if path.exists() else []
