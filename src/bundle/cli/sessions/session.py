"""`bundle session`: check, summarise and run jobs of Open Job Description."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import click

from bundle.base.errors import ConfigError, WorkError
from bundle.cli.app import App, Result, pass_app
from bundle.cli.clusters import check_options, connected, scheduler_options, tls_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from bundle.base.processes.started import Starter
    from bundle.run.sessions.job import Job, JobInput
    from bundle.run.sessions.log import Line
    from bundle.run.sessions.result import RunResult, TaskResult
    from bundle.run.sessions.run import Plan
    from bundle.run.sessions.session import Settings
    from bundle.run.sessions.state import Kept

_TEMPLATE = click.argument("template", type=click.Path(path_type=Path))
_PARAMETERS = click.option(
    "-p",
    "--job-param",
    "parameters",
    multiple=True,
    metavar="PARAMETER",
    help="NAME=VALUE, file://PATH, or a JSON object; may be given several times.",
)
_EXTENSIONS = click.option("--extensions", metavar="NAMES", help="Extensions that templates may use; all by default.")

_MOST_AHEAD = 8
"""Sessions whose starters are started before it is known how many run."""

_RUN_OPTIONS = (
    click.option("--runtime", metavar="VERSION|DIR", help="A bundle whose programs come first in the sessions."),
    click.option(
        "--parallel",
        type=click.IntRange(1, 1000),
        help="Sessions beside each other; with --scheduler by default all that workers take, else 1.",
    ),
    click.option(
        "--runtime-from",
        metavar="URL",
        help="Where workers install the bundle from that they lack; by default the submitter sends it.",
    ),
    scheduler_options,
    click.option("--logs", type=click.Path(path_type=Path), help="A folder for a log file of each session."),
    click.option("--keep-going", is_flag=True, help="After a failure, run what does not depend on it."),
    click.option("--preserve", is_flag=True, help="Keep the working folders of sessions."),
    click.option("--root", type=click.Path(path_type=Path), help="The folder for the working folders of sessions."),
    click.option("--user", metavar="USER[:GROUP]", help="The user that actions run as, by sudo."),
)


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


@click.group()
def session() -> None:
    """Run jobs of Open Job Description: steps, tasks, environments, in parallel."""


@session.command()
@_TEMPLATE
@_EXTENSIONS
@pass_app
def check(app: App, template: Path, extensions: str | None) -> Result:  # noqa: ARG001 - each command gets it
    """Check a job template or an environment template."""
    from bundle.run.sessions import arguments, library
    from bundle.run.sessions.documents import read_object

    document = read_object(template)
    kind = library.kind_of(document)
    library.decode(document, kind, arguments.extensions(extensions, library.EXTENSIONS))
    return Result(
        data={"template": str(template), "kind": kind},
        text=lambda console: console.print(f"{template} is a valid {kind}."),
    )


@session.command()
@_TEMPLATE
@_PARAMETERS
@_EXTENSIONS
@pass_app
def summary(app: App, template: Path, parameters: tuple[str, ...], extensions: str | None) -> Result:  # noqa: ARG001
    """Print the parameters, steps and tasks of a job."""
    from bundle.cli.sessions.shared import job_input
    from bundle.run.sessions.job import load
    from bundle.run.sessions.summary import summary_of

    found = summary_of(load(job_input(template, parameters, extensions=extensions)))
    return Result(data=found.as_json(), text=lambda console: console.print(f"{found.name}\n\n{found.as_text()}"))


@session.command()
@_TEMPLATE
@_PARAMETERS
@_EXTENSIONS
@click.option("--env", "--environment", "environments", multiple=True, type=click.Path(path_type=Path),
              help="An environment template; may be given several times.")  # fmt: skip
@click.option("--path-mapping-rules", "rules", metavar="RULES", help="A JSON document, or file://PATH of it.")
@click.option("--step", help="The only step that runs.")
@click.option("--run-dependencies", "dependencies", is_flag=True, help="Run the steps that it depends on before.")
@click.option("--task-param", "-tp", "task", multiple=True, metavar="NAME=VALUE", help="A parameter of its only task.")
@click.option("--tasks", metavar="TASKS", help="A JSON list of its tasks that run, or file://PATH of it.")
@click.option("--maximum-tasks", "most", type=int, default=-1, help="The most tasks of it that run.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME", help="A parameter or variable to mask in logs.")
@click.option("--state", type=click.Path(path_type=Path), help="A folder that keeps what is done, for `resume`.")
@_run_options
@pass_app
def run(app: App, /, template: Path, parameters: tuple[str, ...], extensions: str | None, **options: Any) -> Result:
    """Run a job on this machine, or some of its tasks.

    The output of the tasks comes as it is written, secrets masked; with --json on stderr. The exit code is 0 if all
    tasks ended well, 1 if not, and 130 if the run was interrupted.
    """
    from bundle.cli.sessions.shared import job_input, work_of
    from bundle.run.sessions.job import load

    _check(options)
    starters = _starters(options)
    environments, rules = options.pop("environments"), options.pop("rules")
    selection = {name: options.pop(name) for name in ("step", "task", "tasks", "most", "dependencies")}
    state, secrets = options.pop("state"), options.pop("secrets")
    if selection["task"] and selection["tasks"]:
        raise ConfigError("--task-param and --tasks exclude each other.", remedy="Give one of them.")
    inputs = job_input(template, parameters, environments=environments, rules=rules, extensions=extensions)
    job = load(inputs)
    work = work_of(job, **selection)
    kept = None
    if state is not None:
        from bundle.run.sessions.state import Kept, spec_of

        kept = Kept.create(state, spec_of(inputs, work, keep_going=options["keep_going"], secrets=secrets))
    return _run(app, job, inputs, kept, starters, work=work, secrets=secrets, **options)


@session.command()
@click.argument("state", metavar="DIR", type=click.Path(path_type=Path))
@_PARAMETERS
@_run_options
@pass_app
def resume(app: App, /, state: Path, parameters: tuple[str, ...], **options: Any) -> Result:
    """Run what a run with --state has not done, after a failure, an interrupt or a crash.

    The job is that of the first run, whatever became of its template; secret parameters are given again with -p.
    """
    from dataclasses import replace

    from bundle.run.sessions import arguments
    from bundle.run.sessions.job import load
    from bundle.run.sessions.state import Kept

    _check(options)
    kept, spec, before = Kept.open(state)
    starters = _starters(options)
    try:
        given = arguments.parameters(parameters)
        if other := [name for name in given if name not in spec.secrets]:
            raise ConfigError(
                f"These parameters are kept, and cannot be given again: {', '.join(other)}.",
                remedy="Run the template again for other parameters.",
            )
        inputs = replace(spec.inputs, parameters={**spec.inputs.parameters, **given})
        job = load(inputs)
        work = spec.work_of(job)
    except BaseException:
        kept.close()
        raise
    options["keep_going"] = options["keep_going"] or spec.keep_going
    return _run(app, job, inputs, kept, starters, work=work, before=before, secrets=spec.secrets, **options)


def _check(options: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    check_options(options, "runtime_from")
    if options["runtime_from"] is not None and options["runtime"] is None:
        raise ConfigError("--runtime-from needs the version that it is for.", remedy="Name it with --runtime VERSION.")
    if options["scheduler"] is not None and (given := [name for name in ("preserve", "root") if options[name]]):
        raise ConfigError(
            f"--{given[0]} is for sessions on this machine.",
            remedy="Leave it, or --scheduler, out; the folder of a worker is that of `bundle worker --root DIR`.",
        )


def _starters(options: dict[str, Any]) -> list[Starter]:
    """Return what starts the programs of sessions; it gets ready while the library is imported."""
    from bundle.base.processes.started import starters, supported

    ahead = 0 if options["scheduler"] else min(options["parallel"] or 1, _MOST_AHEAD)
    return starters(ahead) if supported else []


def _run(
    app: App,
    job: Job,
    inputs: JobInput,
    kept: Kept | None,
    starters: list[Starter],
    *,
    runtime: str | None,
    root: Path | None,
    logs: Path | None,
    **options: Any,
) -> Result:
    from bundle.artifacts.work import SESSION
    from bundle.cli.sessions.shared import session_root, variables
    from bundle.model.records import to_json
    from bundle.run.sessions.run import Plan, Run
    from bundle.run.sessions.session import Settings
    from bundle.run.sessions.workplace import workplace

    keep = options.pop("preserve")
    remote = {"scheduler": options.pop("scheduler"), "tls": tls_of(options)}
    source = options.pop("runtime_from")
    with ExitStack() as stack:
        for starter in starters:
            stack.callback(starter.end)
        if kept is not None:
            stack.callback(kept.close)
        place = stack.enter_context(workplace(session_root(app, root), keep=keep, shared=options["user"] is not None))
        settings = Settings(
            root=place,
            environ=variables(app, None if remote["scheduler"] else runtime),
            secrets=tuple(options.pop("secrets")),
            user=options.pop("user"),
            keep=keep,
        )
        _tell_unknown(app, settings, job)
        opened = None
        if remote["scheduler"]:
            from bundle.cli.sessions.shared import remote_runtime
            from bundle.run.cluster.submission import new_run
            from bundle.run.sessions.cluster.host import SessionHost
            from bundle.run.sessions.cluster.sessions import sessions_on

            cluster = stack.enter_context(connected(app, remote))
            name = new_run()
            if kept is not None:
                cluster.end(kept.begin(name))
            places = sum(one.resources.get(SESSION, 0) for one in cluster.workers())
            options["parallel"] = min(options["parallel"] or 1000, max(1, int(places)))
            wanted, bundles = remote_runtime(app, runtime, source)
            host = SessionHost(inputs=inputs, secrets=settings.secrets, runtime=wanted, user=settings.user)
            opened = stack.enter_context(sessions_on(cluster, host, bundles, name))
        options["parallel"] = options["parallel"] or 1
        plan = Plan(settings=settings, **options)
        shown = stack.enter_context(_Log(app, logs, plan))

        def ended(result: TaskResult) -> None:
            if kept is not None:
                kept.record(result)
            name = f"{result.step} {dict(result.parameters) or ''}".strip()
            if result.state == "ok":
                app.reporter.detail(f"{name}: ok ({result.seconds:.1f} s)")
            else:
                app.reporter.warning(": ".join(filter(None, (name, result.state, result.message))))

        began = kept.began if kept is not None else lambda _: None
        found = Run(job, plan, output=shown, ended=ended, began=began, starters=starters, opened=opened).run()
        if kept is not None:
            kept.conclude(found)
    return Result(data=to_json(found), text=lambda console: _show(console, found), exit_code=_CODES[found.state])


def _tell_unknown(app: App, settings: Settings, job: Job) -> None:
    """Warn of secrets by whose names nothing is known that could be masked: they may be misspelt."""
    from bundle.base.text import did_you_mean

    known = {*job.values, *job.variables}
    for name in settings.secrets:
        if name not in known and name not in settings.environ:
            app.reporter.warning(
                f"--secret {name} is neither a parameter of the job nor a variable that is known before it runs."
                f"{did_you_mean(name, known)}"
            )


_CODES = {"ok": 0, "failed": 1, "cancelled": 130}


def _show(console: Console, result: RunResult) -> None:
    for step in result.steps:
        parts = [f"{step.ok} of {step.tasks} tasks ok"]
        told = ("failed", step.failed), ("timed out", step.timeout), ("cancelled", step.cancelled)
        parts += [f"{count} {what}" for what, count in (*told, ("not run", step.not_run)) if count]
        console.print(f"{step.step}: {', '.join(parts)}")
    for exit_ in result.environments:
        console.print(f"Environment {exit_.environment} could not be exited: {exit_.message}")
    for folder in result.folders:
        console.print(f"Working folder: {folder}")
    if result.left:
        console.print(f"Processes that could not be ended: {', '.join(map(str, result.left))}")
    console.print(f"{result.job}: {result.state} ({result.seconds:.1f} s)")


class _Log:
    """The lines of sessions on a standard stream, one prefix for each session, or in a file for each."""

    def __init__(self, app: App, folder: Path | None, plan: Plan) -> None:
        self._stream: IO[str] | None = sys.stderr if app.json else sys.stdout
        self._prefix = plan.parallel > 1
        self._all = app.verbose
        self._folder = folder
        self._files: dict[str, IO[str]] = {}
        if folder is not None:
            with _logs_in(folder):
                folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            with suppress(OSError):  # What could not be written was told before.
                file.close()

    def __call__(self, line: Line) -> None:
        if not (line.output or self._all):
            return
        if self._folder is not None:
            with _logs_in(self._folder):
                self._write(self._folder / f"{line.session}.log", line)
        elif self._stream is not None:
            try:
                self._stream.write(f"[{line.session}] {line.text}\n" if self._prefix else f"{line.text}\n")
                self._stream.flush()
            except BrokenPipeError:
                self._stream = None  # The run goes on.

    def _write(self, path: Path, line: Line) -> None:
        if line.session not in self._files:
            self._files[line.session] = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._files[line.session].write(f"{line.text}\n")
        self._files[line.session].flush()


@contextmanager
def _logs_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(
            f"The logs cannot be written in {folder}: {error.strerror}.",
            remedy="Free space, or name a folder that can be written to with --logs.",
        ) from error
