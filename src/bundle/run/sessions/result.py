"""What became of tasks, of environments, and of a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bundle.base.errors import WorkError


class SessionLostError(WorkError):
    """A session is gone with its worker; its task may run again."""


class NoPlaceError(SessionLostError):
    """A session found no worker, so that its task has not begun."""


class State(StrEnum):
    """How a task or another action ended."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """The end of one action of a session."""

    state: str
    """A `State`."""
    exit_code: int | None = None
    message: str = ""
    """Why it failed, or the last status that it told."""
    seconds: float = 0.0
    environment: str = ""
    """The environment that it entered or exited; empty for a task."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The beginning of one task."""

    step: str
    task: int
    """Its place among the tasks of its step."""
    attempt: int


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The end of one task."""

    step: str
    task: int
    """Its place among the tasks of its step."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    state: str
    """A `State`."""
    exit_code: int | None = None
    session: str = ""
    attempts: int = 1
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The end of the tasks of a step."""

    step: str
    tasks: int
    """Tasks that were to run."""
    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    timeout: int = 0
    not_run: int = 0


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The end of a run."""

    job: str
    state: str
    """A `State`."""
    seconds: float
    steps: tuple[StepResult, ...]
    tasks: tuple[TaskResult, ...]
    """Those that ran, in the order in which they ended, with those that an earlier run has done."""
    environments: tuple[ActionResult, ...] = ()
    """Those that could not be entered or exited."""
    folders: tuple[str, ...] = ()
    """Working folders that were kept."""
    left: tuple[int, ...] = ()
    """Processes that could not be ended."""
