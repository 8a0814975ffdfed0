"""The adapter of the libraries openjd-model and openjd-sessions; the only module that imports them.

`corrections` is what it changes in them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.errors import ConfigError, WorkError
from bundle.base.processes.users import other_user
from bundle.run.sessions import checks, corrections

if TYPE_CHECKING:
    from openjd.model import Job, StepParameterSpaceIterator
    from openjd.sessions import ActionStatus

EXTENSIONS = ("TASK_CHUNKING", "REDACTED_ENV_VARS", "FEATURE_BUNDLE_1", "EXPR", "WRAP_ACTIONS")

RELEASE = "0.14.0"
"""The release that the corrections are made for."""

_LONGEST_LINE = 500
"""Characters of a line of what the library says."""

JOB, ENVIRONMENT = "job template", "environment template"

Start = Callable[[Mapping[str, Any]], Any]
"""Starts a program as `subprocess.Popen` does, by its options."""

Records = Callable[[logging.LogRecord], object]

_ONCE = threading.Lock()


def require() -> None:
    """Import the libraries, and correct them; once, though sessions begin in several threads at a time.

    Raises:
        ConfigError: they are not installed, or in another release.
    """
    with _ONCE:
        _load()


@cache
def _load() -> None:
    remedy = "pip install 'bundle-toolchain[jobs]'"
    try:
        with corrections.quick_import():
            import openjd.model
            import openjd.sessions
    except ImportError as error:
        raise ConfigError(
            f"Open Job Description needs libraries that are not installed: {error.name}.", remedy=remedy
        ) from error
    for name, found in (("openjd-model", openjd.model.version), ("openjd-sessions", openjd.sessions.version)):
        if found != RELEASE:
            raise ConfigError(f"{name} {found} is installed; sessions need {RELEASE}.", remedy=remedy)
    corrections.apply(openjd.model, openjd.sessions, _start)
    openjd.sessions.LOG.setLevel(logging.INFO)
    openjd.sessions.LOG.propagate = False
    openjd.sessions.LOG.addHandler(_Router())


def kind_of(document: Mapping[str, Any]) -> str:
    """Return whether a document is a job template or an environment template.

    Raises:
        ConfigError: it is neither.
    """
    require()
    from openjd.model import TemplateSpecificationVersion as Known

    kinds = {one.value: JOB for one in Known if Known.is_job_template(one)}
    kinds |= {one.value: ENVIRONMENT for one in Known if Known.is_environment_template(one)}
    found = document.get("specificationVersion")
    if isinstance(found, str) and found in kinds:
        return kinds[found]
    raise ConfigError(
        "The field specificationVersion is missing."
        if found is None
        else f"The specificationVersion {str(found)[:80]!r} is not known.",
        remedy=f"Use {' or '.join(kinds)}.",
    )


def decode(document: Mapping[str, Any], kind: str, extensions: Sequence[str]) -> Any:
    """Return a template that conforms.

    Args:
        kind: what it has to be.

    Raises:
        ConfigError: it is another kind, or does not conform.
    """
    found = kind_of(document)
    if found != kind:
        raise ConfigError(
            f"It is no {kind} but an {found}." if kind == JOB else f"It is no {kind} but a {found}.",
            remedy=f"Name a file that holds the {kind}.",
        )
    from openjd.model import decode_environment_template, decode_job_template

    with _refusals(f"The {kind} is not valid"):
        checks.check(document)
        if kind == JOB:
            return decode_job_template(template=dict(document), supported_extensions=list(extensions))
        return decode_environment_template(template=dict(document), supported_extensions=list(extensions))


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Turn what the library refuses, in any way, into an error that tells why."""
    try:
        yield
    except (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, AttributeError) as error:
        if isinstance(error, RecursionError):
            lines = ["it is nested too deeply"]
        else:
            lines = str(error).splitlines() or [type(error).__name__]
        shown = [line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..." for line in lines[:40]]
        raise ConfigError(f"{what}: {shown[0]}", remedy="Correct it.", details=shown[1:]) from error


@dataclass(frozen=True, kw_only=True)
class Created:
    """A job as the library makes it of a template and parameters."""

    job: Job
    values: Any
    tables: Mapping[str, Any]
    """The values of names in each step; only expressions (EXPR) use them, whose engine takes a moment to load."""
    environments: tuple[Any, ...]
    """Those of environment templates."""
    revision: Any
    order: tuple[str, ...]
    """The steps' names in the order of their dependencies."""


def create(
    template: Any, environments: Sequence[Any], parameters: Mapping[str, Any], *, folder: Path, cwd: Path
) -> Created:
    """Make a job.

    Args:
        parameters: by name.
        folder: the template's, which default paths are relative to.
        cwd: what given paths are relative to.

    Raises:
        ConfigError: a parameter is missing, unknown or wrong, or the job is not valid with them.
    """
    require()
    from openjd.model import (
        RevisionExtensions,
        StepDependencyGraph,
        create_job,
        create_job_with_symbol_tables,
        merge_job_parameter_definitions,
        preprocess_job_parameters,
    )

    with _refusals("The job cannot be made"):
        definitions = merge_job_parameter_definitions(job_template=template, environment_templates=list(environments))
        expressions = "EXPR" in (template.extensions or ())
        given = corrections.normal_paths(definitions, parameters, folder=folder, cwd=cwd, uris=expressions)
        values = preprocess_job_parameters(
            job_template=template,
            job_parameter_values=given,
            job_template_dir=folder,
            current_working_dir=cwd,
            environment_templates=list(environments),
        )
        for name, value in values.items():
            checks.check_integers(value.type.value, value.value, f"value of the parameter {name!r}")
        parts = {"job_template": template, "job_parameter_values": values, "environment_templates": list(environments)}
        if expressions:
            made = create_job_with_symbol_tables(**parts)
            job, tables = made.job, made.step_symbol_tables
        else:
            job, tables = create_job(**parts), {}
        order = tuple(step.name for step in StepDependencyGraph(job=job).topo_sorted())
    declared = [*(job.extensions or ()), *(name for one in environments for name in one.extensions or ())]
    return Created(
        job=job,
        values=values,
        tables=tables,
        environments=tuple(one.environment for one in environments),
        revision=RevisionExtensions(spec_rev=job.revision, supported_extensions=list(dict.fromkeys(declared))),
        order=order,
    )


def space_of(step: Any) -> StepParameterSpaceIterator:
    """Return the tasks of a step: a sequence that makes each one when it is asked for; chunks have a fixed size."""
    from openjd.model import StepParameterSpaceIterator

    with _refusals(f"The tasks of step {step.name!r} cannot be told"):
        corrections.check_chunks(step.parameterSpace)
        adaptive = StepParameterSpaceIterator(space=step.parameterSpace)
        if not adaptive.chunks_adaptive:
            return adaptive
        return StepParameterSpaceIterator(
            space=step.parameterSpace, chunks_task_count_override=adaptive.chunks_default_task_count
        )


def task_of(step: Any, space: Any, given: Mapping[str, str]) -> Any:
    """Return the parameters of a task by their texts.

    Raises:
        ConfigError: there is no such task.
    """
    from openjd.model import ParameterValue, ParameterValueType

    with _refusals(f"Step {step.name!r} has no such task"):
        names = space.names
        if set(given) != set(names):
            raise ConfigError(
                f"The task parameters of step {step.name!r} are {', '.join(sorted(names)) or 'none'}, "
                f"not {', '.join(sorted(given)) or 'none'}.",
                remedy="Give a value for each of them, and no other.",
            )
        definitions = step.parameterSpace.taskParameterDefinitions if step.parameterSpace else {}
        values = {
            name: ParameterValue(type=ParameterValueType(definitions[name].type), value=value)
            for name, value in given.items()
        }
        space.validate_containment(values)
    return values


def path_rules(rules: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return path mapping rules.

    Raises:
        ConfigError: one of them is none.
    """
    require()
    from openjd.sessions import PathMappingRule

    with _refusals("A path mapping rule is not valid"):
        return [PathMappingRule.from_dict(dict(rule)) for rule in rules]


_guard = threading.Lock()
_sinks: dict[str, Records] = {}
_starts: dict[str, Start] = {}
"""By session and by working folder. Module state, because the library has one log and one way to start for all."""


class _Router(logging.Handler):
    """Hands each line of the library's log to the session that it is of."""

    def emit(self, record: logging.LogRecord) -> None:
        if (sink := _sinks.get(getattr(record, "session_id", ""))) is not None:
            sink(record)


def _start(options: Mapping[str, Any]) -> Any:
    """Return a program that was started by the session whose variables it has, None if it is of none."""
    start = _starts.get((options.get("env") or {}).get("OPENJD_SESSION_WORKING_DIR", ""))
    return None if start is None else start(options)


def _user(name: str | None, root: Path) -> Any:
    """Return a user of this machine, with a group, as `USER` or `USER:GROUP` names them; None for none."""
    if name is None:
        return None
    from openjd.sessions import PosixSessionUser

    user, group = other_user(name, root)
    return PosixSessionUser(user, group=group)


class Actions:
    """A session of the library: one action after the other; none of the methods waits for its end.

    Args:
        environ: variables for all actions, beside those of this process; None for one that they do not have.
        ended: is told the end of each action, perhaps by the thread that began it.
        records: takes the lines of the log.
        start: starts the programs of actions; the library's way if None.
    """

    def __init__(
        self,
        created: Created,
        settings: Mapping[str, Any],
        *,
        environ: Mapping[str, str | None],
        ended: Callable[[ActionStatus], object],
        records: Records,
        start: Start | None,
    ) -> None:
        require()
        from openjd.sessions import Session

        self._created = created
        self._id = str(settings["session_id"])
        user = _user(settings["user"], settings["root"])
        with _guard:
            _sinks[self._id] = records
        try:
            self._session = Session(
                session_id=self._id,
                job_parameter_values=created.values,
                job_name=created.job.name,
                path_mapping_rules=path_rules(settings["rules"]),
                retain_working_dir=settings["keep"],
                user=user,
                callback=lambda _, status: ended(status),  # type: ignore[arg-type]
                os_env_vars=environ,  # type: ignore[arg-type]  # None removes a variable
                session_root_directory=settings["root"],
                revision_extensions=created.revision,
            )
        except (RuntimeError, ValueError, OSError) as error:
            with _guard:
                del _sinks[self._id]
            raise WorkError(
                f"The session cannot begin: {error}", remedy="Free space, or name another folder with --root."
            ) from error
        self.folder = self._session.working_directory
        if start is not None:
            with _guard:
                _starts[str(self.folder)] = start

    @property
    def running(self) -> bool:
        """Whether an action runs."""
        from openjd.sessions import SessionState

        return self._session.state in (SessionState.RUNNING, SessionState.CANCELING)

    @property
    def usable(self) -> bool:
        """Whether it can run tasks; after a failure it can only exit environments."""
        from openjd.sessions import SessionState

        return self._session.state == SessionState.READY

    def enter(self, environment: Any, step: str | None) -> str:
        """Begin to enter an environment, and return what it is known by.

        Args:
            step: the one that it belongs to.
        """
        options: Any = {} if step is None else {"step_name": step}
        return self._session.enter_environment(environment=environment, resolved_symtab=self._table(step), **options)

    def run(self, step: Any, values: Any) -> None:
        """Begin a task."""
        self._session.run_task(
            step_script=step.script,
            task_parameter_values=values,
            step_name=step.name,
            resolved_symtab=self._table(step.name),
        )

    def exit(self, environment: str, step: str | None) -> None:
        """Begin to exit an environment; the session goes on, if nothing has failed in it."""
        self._session.exit_environment(
            identifier=environment, keep_session_running=True, resolved_symtab=self._table(step)
        )

    def cancel(self, limit: float | None) -> None:
        """Cancel the running action, if there is one, in its own way or within a number of seconds."""
        # A RuntimeError says that it has ended by itself.
        with suppress(RuntimeError):
            self._session.cancel_action(time_limit=None if limit is None else timedelta(seconds=limit))

    def close(self) -> None:
        """Remove the session's folder, unless it is kept."""
        try:
            self._session.cleanup()
        finally:
            with _guard:
                _sinks.pop(self._id, None)
                _starts.pop(str(self.folder), None)

    def redacted(self) -> set[str]:
        """Return the values that actions asked to hide."""
        known: Any = self._session._log_filter
        return set(known._redacted_values | known._redacted_lines)

    def _table(self, step: str | None) -> Any:
        return None if step is None else self._created.tables.get(step)
