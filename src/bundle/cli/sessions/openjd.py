"""The script `bundle-openjd`: commands, options and output of the reference command line of Open Job Description."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bundle.base.errors import BundleError
from bundle.cli.app import App

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bundle.run.sessions.log import Line
    from bundle.run.sessions.result import RunResult

_PATH = click.argument("path", type=click.Path(path_type=Path))
_OUTPUT = click.option("--output", type=click.Choice(["human-readable", "json", "yaml"]), default="human-readable")
_EXTENSIONS = click.option("--extensions", help="Extensions that templates may use, with commas; all by default.")
_PARAMETERS = click.option(
    "--job-param", "-p", "parameters", multiple=True, help="NAME=VALUE, file://PATH, or a JSON object."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Check and run job templates of Open Job Description."""


@cli.command()
@_PATH
@_EXTENSIONS
@_OUTPUT
def check(path: Path, extensions: str | None, output: str) -> None:
    """Check a job template or an environment template."""
    from bundle.run.sessions import arguments, library
    from bundle.run.sessions.documents import read_object

    document = read_object(path)
    library.decode(document, library.kind_of(document), arguments.extensions(extensions, library.EXTENSIONS))
    _answer(output, {"status": "success", "message": f"Template at '{path}' passes validation checks."})


@cli.command()
@_PATH
@_PARAMETERS
@_EXTENSIONS
@_OUTPUT
def summary(path: Path, parameters: tuple[str, ...], extensions: str | None, output: str) -> None:
    """Print what a job consists of."""
    from bundle.cli.sessions.shared import job_input
    from bundle.run.sessions.job import load
    from bundle.run.sessions.summary import summary_of

    found = summary_of(load(job_input(path, parameters, extensions=extensions)))
    text = f"\n--- Summary for '{found.name}' ---\n\n{found.as_text()}"
    _answer(output, {"status": "success", "message": text} if output == "human-readable" else found.as_json())


@cli.command()
@_PATH
@_PARAMETERS
@_EXTENSIONS
@_OUTPUT
@click.option("--step", help="The step whose tasks run.")
@click.option("--task-param", "-tp", "task", multiple=True, metavar="NAME=VALUE", help="A parameter of the only task.")
@click.option("--tasks", metavar="JSON", help="A list of tasks, or file://PATH of one.")
@click.option("--maximum-tasks", "most", type=int, default=-1, help="The most tasks of the step that run.")
@click.option("--run-dependencies/--no-run-dependencies", "dependencies", default=False)
@click.option("--path-mapping-rules", "rules", metavar="JSON", help="Path mapping rules, or file://PATH of them.")
@click.option("--environment", "--env", "environments", multiple=True, type=click.Path(path_type=Path))
@click.option("--preserve", is_flag=True, help="Keep the session's working folder.")
@click.option("--verbose", is_flag=True, help="Show more.")
@click.option("--timestamp-format", "timestamps", type=click.Choice(["relative", "local", "utc"]), default="relative")
def run(path: Path, parameters: tuple[str, ...], extensions: str | None, output: str, **options: Any) -> None:
    """Run the tasks of a job in a session on this machine."""
    import logging

    from bundle.cli.sessions.shared import job_input, session_root, variables, work_of
    from bundle.run.sessions.job import load
    from bundle.run.sessions.run import Plan, Run
    from bundle.run.sessions.session import Settings
    from bundle.run.sessions.workplace import workplace

    app = App()
    job = load(
        job_input(path, parameters, environments=options["environments"], rules=options["rules"], extensions=extensions)
    )
    if options["task"] and options["tasks"]:
        raise click.UsageError("--task-param and --tasks exclude each other.")
    work = work_of(
        job, options["step"], task=options["task"], tasks=options["tasks"], most=options["most"],
        dependencies=options["dependencies"],
    )  # fmt: skip
    if options["verbose"]:
        logging.getLogger("openjd.sessions").setLevel(logging.DEBUG)
    shown = _Log(options["timestamps"], printed=output == "human-readable")
    started = time.monotonic()
    with workplace(session_root(app, None), keep=options["preserve"]) as root:
        settings = Settings(root=root, environ=variables(app, None), keep=options["preserve"])
        result = Run(job, Plan(work=work, settings=settings, session_name="CLI-session"), output=shown).run()
    only = work[-1].step.name if options["step"] or len(work) == 1 else None
    _conclude(output, result, only, time.monotonic() - started, shown)


def _conclude(output: str, result: RunResult, step: str | None, seconds: float, log: _Log) -> None:
    good = result.state == "ok"
    message = "Session ended successfully" if good else "Session ended with errors; see Task logs for details"
    if reasons := [one.message for one in result.tasks if one.state != "ok" and one.message]:
        message += f"\n{reasons[0]}"
    message += "".join(f"\nWorking directory preserved at: {folder}" for folder in result.folders)
    count = sum(one.state == "ok" for one in result.tasks)
    if output == "human-readable":
        named = f"Step: {step}\n" if step else ""
        ended = timedelta(seconds=seconds).total_seconds()
        _say(
            f"\n--- Results of local session ---\n\n{message}\n\nJob: {result.job}\n{named}"
            f"Duration: {ended} seconds\nChunks run: {count}\n"
        )
    else:
        found = {
            "status": "success" if good else "error",
            "message": message,
            "job_name": result.job,
            "step_name": step,
            "duration": seconds,
            "chunks_run": count,
            "logs": log.entries,
        }
        _answer(output, {name: value for name, value in found.items() if value})
    if not good:
        raise click.exceptions.Exit(1)


@dataclass
class _Log:
    """The log, printed as it comes, or kept for the result."""

    timestamps: str
    printed: bool
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    entries: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, line: Line) -> None:
        at = datetime.fromtimestamp(line.at, UTC)
        if self.timestamps == "relative":
            shown = str(at - self.started)
        else:
            shown = (at if self.timestamps == "utc" else at.astimezone()).isoformat()
        if self.printed:
            _say(f"{shown}\t{line.text}")
        else:
            self.entries.append({"timestamp": shown, "message": line.text})


def _answer(output: str, found: dict[str, Any]) -> None:
    if output == "human-readable":
        _say(found["message"])
    elif output == "json":
        _say(json.dumps(found, indent=4))
    else:
        import yaml

        _say(yaml.safe_dump(found, sort_keys=False))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the output of the program


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code: 0, or 1 for any failure, or 2 for a wrong command line."""
    try:
        code = cli.main(args=list(arguments), prog_name="bundle-openjd", standalone_mode=False)
    except BundleError as error:
        _say(f"ERROR: {error.what}" + "".join(f"\n{line}" for line in error.details))
        return 1
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort, BrokenPipeError):
        return 1
    except OSError as error:
        print(f"ERROR: {error}", file=sys.stderr)  # noqa: T201 - the standard output may be what takes nothing more
        return 1
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Run the command line of this process."""
    import signal

    # The same as an interrupt: what runs is cancelled, and environments are exited.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream
    code = execute(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
