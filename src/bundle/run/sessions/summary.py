"""What a job consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bundle.model.records import to_json
from bundle.run.sessions.job import Job


@dataclass(frozen=True, kw_only=True)
class StepSummary:
    """One step."""

    name: str
    tasks: int
    needs: tuple[str, ...]
    parameters: tuple[str, ...]
    """The names of its tasks' parameters."""
    environments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class JobSummary:
    """A job with its parameters."""

    name: str
    parameters: Mapping[str, str]
    environments: tuple[str, ...]
    steps: tuple[StepSummary, ...]
    """In the order of their dependencies."""
    tasks: int

    def as_json(self) -> dict[str, Any]:
        """Return the summary as a JSON value."""
        found: dict[str, Any] = to_json(self)
        return found

    def as_text(self) -> str:
        """Return the summary as the lines that people read."""
        lines = []
        if self.parameters:
            lines += ["Parameters:", *(f"  - {name}: {value}" for name, value in self.parameters.items()), ""]
        lines += [f"Total steps: {len(self.steps)}", f"Total tasks: {self.tasks}"]
        lines += [f"Environments: {', '.join(self.environments)}"] if self.environments else []
        lines += ["", "--- Steps in Job ---", ""]
        for number, step in enumerate(self.steps, 1):
            lines.append(f"{number}. '{step.name}' ({step.tasks} total Tasks)")
            told = {
                "depends on": step.needs,
                "task parameters": step.parameters,
                "environments": step.environments,
            }
            lines += [f"   {what}: {', '.join(names)}" for what, names in told.items() if names]
        return "\n".join(lines)


def summary_of(job: Job) -> JobSummary:
    """Return what a job consists of."""
    steps = tuple(
        StepSummary(
            name=step.name,
            tasks=step.count,
            needs=step.needs,
            parameters=tuple(step.space.names),
            environments=tuple(one.name for one in step.environments),
        )
        for step in job.steps
    )
    return JobSummary(
        name=job.name,
        parameters=job.values,
        environments=tuple(one.name for one in job.environments),
        steps=steps,
        tasks=sum(step.tasks for step in steps),
    )
