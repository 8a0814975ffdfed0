"""What the commands about sessions share: the job of a template, where and how it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import ConfigError

if TYPE_CHECKING:
    from bundle.cli.app import App
    from bundle.run.sessions.cluster.offered import Offered
    from bundle.run.sessions.cluster.runtime import Runtime
    from bundle.run.sessions.job import Job, JobInput
    from bundle.run.sessions.schedule import StepWork


def job_input(
    template: Path,
    parameters: Sequence[str],
    *,
    environments: Sequence[Path] = (),
    rules: str | None = None,
    extensions: str | None = None,
) -> JobInput:
    """Return all that a job is made of, read from the files and words of a command line.

    Raises:
        ConfigError: one of them cannot be read.
    """
    from bundle.run.sessions import arguments
    from bundle.run.sessions.documents import read_object
    from bundle.run.sessions.job import JobInput
    from bundle.run.sessions.library import EXTENSIONS

    return JobInput(
        template=read_object(template),
        folder=str(Path(os.path.abspath(template)).parent),  # noqa: PTH100 - links stay what they are
        cwd=str(Path.cwd()),
        parameters=arguments.parameters(parameters),
        environments=tuple(read_object(one.expanduser()) for one in environments),
        rules=arguments.path_rules(rules),
        extensions=arguments.extensions(extensions, EXTENSIONS),
    )


def work_of(
    job: Job,
    step: str | None,
    *,
    task: Sequence[str] = (),
    tasks: str | None = None,
    most: int = -1,
    dependencies: bool = False,
) -> list[StepWork]:
    """Return which tasks of which steps run, as the options of the reference command line say.

    Args:
        step: the only one, with `dependencies` also those that it depends on; all if None.
        task: parameters of its only task.
        tasks: a list of its tasks.
        most: tasks of it that run; all below 0.

    Raises:
        ConfigError: there is no such step or task.
    """
    from bundle.run.sessions import arguments, library
    from bundle.run.sessions.schedule import StepWork

    if step is None and len(job.steps) > 1:
        if task or tasks:
            raise ConfigError(
                f"The job has {len(job.steps)} steps, and tasks are given.", remedy="Name their step with --step."
            )
        return [StepWork(one, range(one.count)) for one in job.steps]
    chosen = job.steps[0] if step is None else job.step(step)
    given = [arguments.task_parameters(task)] if task else arguments.tasks(tasks) if tasks else None
    own: Sequence[int | Mapping[str, str]]
    if given is None:
        own = range(chosen.count if most < 0 else min(most, chosen.count))
    else:
        for one in given:
            library.task_of(chosen.library, chosen.space, one)
        own = given
    before = [StepWork(one, range(one.count)) for one in job.needed(chosen.name)] if dependencies else []
    return [*before, StepWork(chosen, own)]


def variables(app: App, runtime: str | None) -> dict[str, str]:
    """Return the variables that actions inherit.

    Args:
        runtime: a bundle whose programs come first, by its version or folder.
    """
    environ = dict(app.environ)
    if runtime is not None:
        from bundle.run.install.records import Records
        from bundle.run.install.start import native, runtime_of

        return native(runtime_of(runtime, Records(app.data)), app.machine).environment_of_user(environ)
    from bundle.run.sessions.session import with_python

    return with_python(environ)


def remote_runtime(app: App, version: str | None, source: str | None) -> tuple[Runtime | None, Offered]:
    """Return the runtime of sessions on workers, and the bundles that workers may get of this machine.

    Args:
        source: where workers install it from, in place of this machine.
    """
    from bundle.run.install.records import Records
    from bundle.run.sessions.cluster.offered import Built, Offered, offered
    from bundle.run.sessions.cluster.runtime import Runtime

    if version is None:
        return None, Offered({})
    if source is not None:
        return Runtime(version=version, source=source), Offered({})
    built = None
    with suppress(ConfigError):  # Bundles run without a project as well.
        project = app.open_project()
        built = Built(root=project.root, catalogue=project.catalogue)
    bundles = offered(version, Records(app.data), built, app.store(), app.access())
    return Runtime(version=version, digests=bundles.digests), bundles


def session_root(app: App, given: Path | None) -> Path:
    """Return the folder for the folders of runs."""
    return (given or app.data / "sessions").absolute()
