"""A job: its steps in the order of their dependencies, and their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bundle.base.errors import ConfigError
from bundle.run.sessions import library


@dataclass(frozen=True, kw_only=True)
class JobInput:
    """All that a job is made of, as plain values: it can be written as JSON, pickled, and sent elsewhere."""

    template: Mapping[str, Any]
    folder: str
    """The template's; paths that are defaults are relative to it."""
    cwd: str
    """What given paths are relative to."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environments: tuple[Mapping[str, Any], ...] = ()
    """Environment templates; they are entered before the job's own environments."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """Path mapping rules."""
    extensions: tuple[str, ...] = library.EXTENSIONS
    """Those that templates may use."""


class Step:
    """One step of a job."""

    def __init__(self, step: Any) -> None:
        self.library = step
        self.name: str = step.name
        self.needs: tuple[str, ...] = tuple(one.dependsOn for one in step.dependencies or ())
        self.environments: tuple[Any, ...] = tuple(step.stepEnvironments or ())

    @cached_property
    def space(self) -> Any:
        """The parameters of all tasks, each made when it is asked for."""
        return library.space_of(self.library)

    @cached_property
    def count(self) -> int:
        """The number of tasks, or of chunks of them."""
        try:
            return len(self.space)
        except OverflowError as error:
            raise ConfigError(
                f"Step {self.name!r} has more tasks than can be counted.", remedy="Make its parameters' ranges smaller."
            ) from error

    def values(self, index: int) -> Any:
        """Return the parameters of a task as the library has them."""
        return self.space[index]

    def parameters(self, index: int) -> dict[str, str]:
        """Return the parameters of a task."""
        return texts(self.values(index))


class Job:
    """A job that can be run; made by `load`."""

    def __init__(self, inputs: JobInput, created: library.Created) -> None:
        self.inputs = inputs
        self.created = created
        self.name: str = created.job.name
        own = {step.name: Step(step) for step in created.job.steps}
        self.steps = tuple(own[name] for name in created.order)
        self.environments: tuple[Any, ...] = (*created.environments, *(created.job.jobEnvironments or ()))

    @property
    def values(self) -> dict[str, str]:
        """The job's parameters."""
        return texts(self.created.values)

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that its environments set."""
        environments = (*self.environments, *(one for step in self.steps for one in step.environments))
        return frozenset(name for one in environments for name in one.variables or ())

    def step(self, name: str) -> Step:
        """Return a step.

        Raises:
            ConfigError: there is none of this name.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise ConfigError(
            f"The job has no step {name!r}.",
            remedy=f"Name one of: {', '.join(step.name for step in self.steps[:20])}.",
        )

    def needed(self, name: str) -> tuple[Step, ...]:
        """Return the steps that a step depends on, directly or not, in their order."""
        names = {name}
        for step in reversed(self.steps):
            if step.name in names:
                names.update(step.needs)
        return tuple(step for step in self.steps if step.name in names and step.name != name)


def load(inputs: JobInput) -> Job:
    """Make a job.

    Raises:
        ConfigError: the library is missing, a template is not valid, or a parameter is wrong.
    """
    library.require()
    template = library.decode(inputs.template, library.JOB, inputs.extensions)
    environments = [library.decode(one, library.ENVIRONMENT, inputs.extensions) for one in inputs.environments]
    library.path_rules(inputs.rules)
    created = library.create(
        template, environments, inputs.parameters, folder=Path(inputs.folder), cwd=Path(inputs.cwd)
    )
    return Job(inputs, created)


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of parameters as texts."""
    return {name: str(value.value) for name, value in values.items()}
