"""Which task runs next: steps after those that they depend on, and tasks in their order."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bundle.run.sessions.job import Step
from bundle.run.sessions.result import State, StepResult

_POLL = 0.5
"""Seconds of one wait; on Windows a longer one could not be interrupted."""


@dataclass(frozen=True)
class StepWork:
    """The tasks of a step that are to run."""

    step: Step
    tasks: Sequence[int | Mapping[str, str]]
    """By their places, or by their parameters; a `range` costs no memory."""


@dataclass(frozen=True)
class Task:
    """One task that was handed out."""

    step: str
    place: int
    """Among the tasks of its step that are to run."""
    which: int | Mapping[str, str]


@dataclass
class _Progress:
    work: StepWork
    done: Collection[int]
    next: int = 0
    running: int = 0
    barred: bool = False
    """Whether nothing more of it runs."""
    counts: dict[State, int] = field(default_factory=dict)
    again: list[Task] = field(default_factory=list)
    """Tasks that were handed back."""

    @property
    def over(self) -> bool:
        return not self.running and (self.barred or (not self.again and self.next >= len(self.work.tasks)))

    @property
    def complete(self) -> bool:
        return self.counts.get(State.OK, 0) == len(self.work.tasks)

    def skip_done(self) -> None:
        while self.next < len(self.work.tasks) and self.next in self.done:
            self.next += 1


class Schedule:
    """Hands out each task once, to any threads.

    Args:
        work: in the order of dependencies.
        done: the places of tasks that need not run again, by step.
        keep_going: whether a failure ends only what depends on it.
    """

    def __init__(
        self, work: Sequence[StepWork], *, done: Mapping[str, Collection[int]], keep_going: bool = False
    ) -> None:
        self._changed = threading.Condition()
        self._keep_going = keep_going
        self._stopped = False
        self._steps = {one.step.name: _Progress(one, frozenset(done.get(one.step.name, ()))) for one in work}
        for progress in self._steps.values():
            ok = sum(place < len(progress.work.tasks) for place in progress.done)
            if ok:
                progress.counts[State.OK] = ok

    def take(self, prefer: str = "") -> Task | None:
        """Return the next task, once there is one; None when there will be none.

        Args:
            prefer: a step whose tasks come first.
        """
        with self._changed:
            while not self._stopped:
                ready = [name for name, progress in self._steps.items() if self._ready(progress)]
                if ready:
                    return self._hand_out(self._steps[prefer if prefer in ready else ready[0]])
                if not any(progress.running for progress in self._steps.values()):
                    return None
                self._changed.wait(_POLL)
            return None

    def finish(self, task: Task, state: State) -> None:
        """Take note of a task's end."""
        with self._changed:
            progress = self._steps[task.step]
            progress.running -= 1
            progress.counts[state] = progress.counts.get(state, 0) + 1
            if state == State.CANCELLED or (state != State.OK and not self._keep_going):
                self._stopped = True
            self._changed.notify_all()

    def hand_back(self, task: Task) -> None:
        """Let a task run again that did not end."""
        with self._changed:
            progress = self._steps[task.step]
            progress.running -= 1
            progress.again.append(task)
            self._changed.notify_all()

    def bar(self, step: str | None) -> None:
        """Let nothing more of a step run, or of any step if None, such as where its environment cannot be entered."""
        with self._changed:
            if step is None:
                self._stopped = True
            else:
                self._steps[step].barred = True
            self._changed.notify_all()

    def results(self) -> tuple[StepResult, ...]:
        """Return what became of the steps."""
        with self._changed:
            return tuple(
                StepResult(
                    step=name,
                    tasks=len(progress.work.tasks),
                    not_run=len(progress.work.tasks) - sum(progress.counts.values()),
                    **{str(state): count for state, count in progress.counts.items()},
                )
                for name, progress in self._steps.items()
            )

    def _ready(self, progress: _Progress) -> bool:
        progress.skip_done()
        if progress.barred or not (progress.again or progress.next < len(progress.work.tasks)):
            return False
        needed = (self._steps[name] for name in progress.work.step.needs if name in self._steps)
        return all(one.over and one.complete for one in needed)

    def _hand_out(self, progress: _Progress) -> Task:
        progress.running += 1
        if progress.again:
            return progress.again.pop(0)
        place = progress.next
        progress.next += 1
        return Task(progress.work.step.name, place, progress.work.tasks[place])
