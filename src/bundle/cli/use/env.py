"""`bundle env`: environments of the commands of an application file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, offline_option, pass_app
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.run.environments.environments import Environments

_AGE = re.compile(r"(?P<count>[0-9]{1,6}(\.[0-9]{1,3})?)(?P<unit>[hdw]?)")
_DAYS = {"h": 1 / 24, "d": 1.0, "": 1.0, "w": 7.0}

_application = click.argument("application", metavar="APP.yml", type=click.Path(path_type=Path))
_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait for another process that makes the same environment; forever by default.",
)


@click.group()
def env() -> None:
    """Run commands in Python environments that are made from locks, once."""


@env.command(context_settings={"allow_interspersed_args": False})
@offline_option
@_timeout
@_application
@click.argument("command")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_app
def run(
    app: App, application: Path, command: str, arguments: tuple[str, ...], offline: bool, timeout: float | None
) -> int:
    """Run COMMAND of APP.yml in its environment, which is made first if it is not there.

    ARGS are appended to the command's own. There is no shell: signals reach the program, and its exit code is that of
    this command.
    """
    from bundle.base.processes.become import accompany, become
    from bundle.run.environments import start
    from bundle.run.environments.application import choose, read_commands

    environments = _environments(app, offline=offline, timeout=timeout)
    wanted = environments.wanted(choose(read_commands(application), command, application))
    words = [*wanted.command.words, *arguments]
    base = str(wanted.command.application.parent)
    if wanted.command.refresh:
        with environments.ephemeral(wanted) as (folder, lock):
            return accompany(
                start.program_of(str(folder), words, base),
                env=environments.variables(folder, wanted),
                inherited=(lock,),
            )
    while True:
        folder = environments.ready(wanted)
        if start.enter(str(folder)) is not None:
            break  # Else it was removed in this moment.
    environments.remember(wanted)
    return become(start.program_of(str(folder), words, base), env=environments.variables(folder, wanted))


@env.command()
@offline_option
@_timeout
@_application
@click.argument("commands", metavar="[COMMAND...]", nargs=-1)
@pass_app
def create(app: App, application: Path, commands: tuple[str, ...], offline: bool, timeout: float | None) -> Result:
    """Make the environments of the commands of APP.yml, of all if none is named, and run nothing."""
    from bundle.base.errors import Problems
    from bundle.run.environments.application import choose, read_commands

    environments = _environments(app, offline=offline, timeout=timeout)
    known = read_commands(application)
    chosen = [choose(known, name, application) for name in commands or known]
    problems = Problems()
    made = {}
    for command in chosen:
        if command.refresh:
            app.reporter.info(f"{command.name} gets a new environment with each run (refresh)")
            continue
        with problems.collecting():
            made[command.name] = str(environments.ready(environments.wanted(command)))
    problems.raise_if_any(f"Several environments of {application} cannot be made.")
    return Result(
        data={"environments": [{"command": name, "path": path} for name, path in made.items()]},
        text=lambda console: print_columns(console, [*made.items()]),
    )


@env.command(name="path")
@_application
@click.argument("command")
@pass_app
def where(app: App, application: Path, command: str) -> Result:
    """Print the folder of the environment of COMMAND, if it is ready."""
    from bundle.base.errors import ConfigError, WorkError
    from bundle.run.environments.application import choose, read_commands
    from bundle.run.environments.environments import is_ready

    environments = _environments(app)
    chosen = choose(read_commands(application), command, application)
    if chosen.refresh:
        raise ConfigError(f"{command!r} gets a new environment with each run (refresh).", remedy="Remove `refresh`.")
    folder = environments.place(environments.wanted(chosen))
    if not is_ready(folder):
        raise WorkError(
            f"The environment of {command!r} is not made yet.",
            remedy=f"`bundle env create {application} {command}` makes it.",
        )
    return Result(data={"path": str(folder)}, text=lambda console: console.print(str(folder)))


@env.command(name="list")
@pass_app
def listed(app: App) -> Result:
    """List all environments: for which lock and Python, size, last use, and whether they are still usable."""
    from datetime import UTC, datetime

    from bundle.run.environments.kept import kept

    found = [*kept(_root(app))]

    def text(console: Console) -> None:
        from rich.filesize import decimal

        if not found:
            console.print("There are no environments; `bundle env run APP.yml COMMAND` makes one.")
            return
        rows = [
            (
                one.name[:12],
                str(one.identity.get("python", "?")),
                decimal(one.bytes),
                datetime.fromtimestamp(one.used).astimezone().strftime("%Y-%m-%d %H:%M"),
                one.state,
                str(one.identity.get("pylock", "?")),
            )
            for one in found
        ]
        print_columns(console, rows, heading=("NAME", "PYTHON", "SIZE", "LAST USED", "STATE", "LOCK"))

    data = [
        {
            "name": one.name,
            "path": str(one.folder),
            "state": one.state,
            "bytes": one.bytes,
            "used": datetime.fromtimestamp(one.used, UTC).isoformat(),
            "from": one.identity or None,
        }
        for one in found
    ]
    return Result(data={"environments": data}, text=text)


@env.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@pass_app
def remove(app: App, names: tuple[str, ...]) -> Result:
    """Remove environments by their names or the beginnings of them; one that is in use stays."""
    from bundle.run.environments import kept

    root = _root(app)
    folders = [kept.named(root, name) for name in names]
    freed = {folder.name: kept.remove(folder) for folder in folders}
    return _removed(freed)


@env.command()
@click.option(
    "--older-than", "age", default="30d", show_default=True, metavar="AGE", help="Age of the last use: 12h, 30d, 2w."
)
@pass_app
def prune(app: App, age: str) -> Result:
    """Remove environments not used recently, half-made ones, and what killed runs left."""
    from bundle.run.environments import kept

    match = _AGE.fullmatch(age)
    if match is None:
        raise click.BadParameter(f"{age!r} is no age such as 12h, 30d or 2w.", param_hint="--older-than")
    environments = _environments(app)
    environments.sweep()
    days = float(match["count"]) * _DAYS[match["unit"]]
    return _removed(kept.prune(environments.root, days=days, reporter=app.reporter))


@env.command()
@pass_app
def schema(app: App) -> Result:  # noqa: ARG001 - the signature of every command
    """Print the JSON schema of application files."""
    from bundle.run.environments import application

    return Result(data=application.schema(), text=lambda console: console.print(application.schema_text().rstrip()))


def _removed(freed: dict[str, int]) -> Result:
    def text(console: Console) -> None:
        from rich.filesize import decimal

        for name, size in freed.items():
            console.print(f"{name}: {decimal(size)}")
        console.print(f"{len(freed)} removed.")

    return Result(data={"removed": [{"name": name, "bytes": size} for name, size in freed.items()]}, text=text)


def _root(app: App) -> Path:
    from bundle.artifacts.store.claim import claim
    from bundle.artifacts.store.environment_place import environments_folder

    root = Path(environments_folder(app.environ))
    claim(root.parent, trusted=app.trust_store)
    return root


def _environments(app: App, *, offline: bool = False, timeout: float | None = None) -> Environments:
    import os

    from bundle.run.environments.environments import Environments
    from bundle.run.environments.interpreter import Interpreters
    from bundle.run.environments.making import FOLDER

    os.umask(os.umask(0o077) | 0o022)
    root = _root(app)
    interpreters = Interpreters(data=app.data, machine=app.machine, environ=app.environ, memory=root / FOLDER)
    return Environments(
        root=root,
        interpreters=interpreters,
        environ=app.environ,
        reporter=app.reporter,
        offline=offline or app.environ.get("UV_OFFLINE", "") in ("1", "true"),
        timeout=timeout,
    )
