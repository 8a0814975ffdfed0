"""`bundle job`: run a script as a job, and encrypt its secure values."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, pass_app
from bundle.cli.jobs.shared import SIZE, key_file, surroundings

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.run.jobs.config import JobConfig

CONFIG, PROPERTIES = "job.json", "application.properties"
"""Files of a job's folder that are read unless options name others."""

_USUAL = "app.py"


@click.group()
def job() -> None:
    """Run scripts as jobs: macros, secrets, one log, limits, and no process left."""


@job.command(name="run")
@click.argument("target", metavar="DIR|SCRIPT", type=click.Path(path_type=Path))
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1)
@click.option("--config", type=click.Path(path_type=Path), help=f"The job's configuration; else {CONFIG} in DIR.")
@click.option("--properties", type=click.Path(path_type=Path), help=f"Names the Python; else {PROPERTIES} in DIR.")
@click.option(
    "--python", metavar="PATH", help="An installPath in place of that of the properties; also bundle:VERSION."
)
@click.option("--env-file-as-macros", is_flag=True, help="Set the entries of .env; macros of the same names win.")
@click.option("--log", type=click.Path(path_type=Path), help="A file that the output is appended to as well.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Time limit.")
@click.option("--memory", type=SIZE, help="Memory limit of all its processes together, such as 512MiB.")
@click.option("--grace", type=click.FloatRange(min=0), metavar="SECONDS", help="Time between stop and kill.")
@pass_app
def run(app: App, /, target: Path, arguments: tuple[str, ...], env_file_as_macros: bool, **options: Any) -> Result:
    """Run a script as a job in the foreground, in its own folder.

    Its output comes as it is written, secrets masked; with --json on stderr. Its end is that of all processes that it
    started. The exit code is 0 if it finished well, 1 if not.
    """
    from bundle.model.records import to_json
    from bundle.run.jobs.command import Job
    from bundle.run.jobs.engine import Engine
    from bundle.run.jobs.log import JobLog
    from bundle.run.jobs.outcome import State

    config, properties, python, log = (options.pop(name) for name in ("config", "properties", "python", "log"))
    folder, found = _job(target, config)
    if properties is None and (folder / PROPERTIES).is_file():
        properties = folder / PROPERTIES
    described = Job(
        config=_limited(found, **options),
        folder=folder,
        arguments=arguments,
        env_file_as_macros=env_file_as_macros,
    )
    around = surroundings(app, properties, python)
    shown = _Shown(sys.stderr.buffer if app.json else sys.stdout.buffer)
    with ExitStack() as stack:
        sinks = [shown]
        if log is not None:
            kept = JobLog(log)
            stack.callback(kept.close)
            sinks.append(kept)  # type: ignore[arg-type]  # both take bytes

        def output(chunk: bytes) -> None:
            for sink in sinks:
                sink(chunk)

        engine = stack.enter_context(Engine(described, around, output=output, warn=app.reporter.warning))
        outcome = engine.run()

    def text(_: Console) -> None:
        from rich.filesize import decimal

        why = f": {outcome.reason}" if outcome.reason else ""
        app.reporter.info(f"{outcome.state}{why} ({outcome.seconds:.1f} s, {decimal(outcome.peak_memory)} of memory)")

    return Result(data=to_json(outcome), text=text, exit_code=0 if outcome.state == State.FINISHED_OK else 1)


@job.command()
@pass_app
def encrypt(app: App) -> Result:
    """Print a token for a secure value, which is read from stdin, or asked for.

    The key is in BUNDLE_JOB_KEY, or in a file that is made on first use and that only its owner can read.
    """
    from bundle.run.jobs.config import LONGEST_VALUE
    from bundle.run.jobs.keys import add_key, load_keys

    if sys.stdin.isatty():
        value = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    else:
        # A shell adds the end of the line.
        value = sys.stdin.read(LONGEST_VALUE + 2).removesuffix("\n").removesuffix("\r")
    if not value or len(value) > LONGEST_VALUE or "\0" in value:
        raise ConfigError(
            f"The value is empty, has more than {LONGEST_VALUE} characters, or holds a zero byte.",
            remedy='Send it on stdin: `printf %s "$VALUE" | bundle job encrypt`.',
        )
    file = key_file(app)
    keys = load_keys(file, app.environ)
    if not keys.keys:
        keys = add_key(file, keys)
        app.reporter.info(f"A key was made in {file}; without it, the values are lost.")
    token = keys.encrypt(value)
    return Result(data={"token": token}, text=lambda console: console.print(token))


@job.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--forget-old", is_flag=True, help="Remove all older keys; tokens that were not renewed are lost.")
@pass_app
def rotate(app: App, files: tuple[Path, ...], forget_old: bool) -> Result:
    """Add a new key, and encrypt all tokens in FILEs with it.

    Older keys still decrypt until --forget-old. If BUNDLE_JOB_KEY holds the keys, its first one is the new one.
    """
    from bundle.base.staging import write_atomically
    from bundle.run.jobs.keys import TOKEN, VARIABLE, Keys, add_key, load_keys, write_keys

    file = key_file(app)
    keys = load_keys(file, app.environ)
    if not app.environ.get(VARIABLE, "").strip():
        keys = add_key(file, keys)
    renewed = 0
    for path in files:
        text = path.read_text(encoding="utf-8")
        changed, count = TOKEN.subn(lambda match: keys.renewed(match[0]), text)
        if changed != text:
            write_atomically(path, changed)
        renewed += count
    if forget_old and not app.environ.get(VARIABLE, "").strip():
        keys = Keys(keys.keys[:1])
        write_keys(file, keys)

    def show(console: Console) -> None:
        console.print(f"{renewed} tokens renewed; {len(keys.keys)} keys.")

    return Result(data={"renewed": renewed, "keys": len(keys.keys)}, text=show)


class _Shown:
    """The output on a standard stream, whose reader may leave."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream: IO[bytes] | None = stream

    def __call__(self, chunk: bytes) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(chunk)
            self._stream.flush()
        except BrokenPipeError:
            self._stream = None  # The job goes on.


def _job(target: Path, config: Path | None) -> tuple[Path, JobConfig]:
    """Return the folder and the configuration of what is to run."""
    from secrets import token_hex

    from bundle.run.jobs.config import JobConfig, read_job_config

    folder = (target if target.is_dir() else target.parent).absolute()
    if config is None and target.is_dir() and (folder / CONFIG).is_file():
        config = folder / CONFIG
    if not target.is_dir() and target.suffix != ".py":
        raise ConfigError(
            f"{target} is neither a folder nor a .py file.", remedy="Name a Python script, or the folder of one."
        )
    named = None if target.is_dir() else target.name
    if config is not None:
        found = read_job_config(config)
        if named is not None and found.package != named:
            raise ConfigError(
                f"{config} is for {found.package}, not for {named}.",
                remedy="Correct its packageName, or name its script.",
            )
        return folder, found
    return folder, JobConfig(job_id=token_hex(8), package=named or _only_script(folder))


def _only_script(folder: Path) -> str:
    scripts = sorted(path.name for path in folder.glob("*.py"))
    if _USUAL in scripts or len(scripts) == 1:
        return _USUAL if _USUAL in scripts else scripts[0]
    raise ConfigError(
        f"{folder} has {'several scripts' if scripts else 'no script'}, and no {CONFIG} that names one.",
        remedy="Name the script itself, or packageName in a configuration.",
        details=scripts[:20],
    )


def _limited(config: JobConfig, **limits: Any) -> JobConfig:
    """Return the configuration with the limits that options give."""
    given = {name: value for name, value in limits.items() if value is not None}
    return replace(config, limits=replace(config.limits, **given))
