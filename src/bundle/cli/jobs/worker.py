"""`bundle worker`: a machine that takes work from a scheduler."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, pass_app
from bundle.cli.clusters import tls_of, tls_options


@click.command()
@click.argument("address", metavar="tcp://HOST:PORT")
@click.option("--name", help="Its name in messages; by default the machine's, with the number of the process.")
@click.option("--slots", type=click.IntRange(1, 1024), help="Pieces of work at a time; by default one per processor.")
@click.option("--resources", "more", multiple=True, metavar="NAME=NUMBER", help="What it has besides; several times.")
@click.option("--host", help="Address to listen at; by default that of the network in which the scheduler is.")
@click.option(
    "--root", type=click.Path(file_okay=False, path_type=Path), help="Folder of work; else in the data folder."
)
@tls_options
@pass_app
def worker(app: App, /, address: str, more: tuple[str, ...], **options: Any) -> int:
    """Take builds and sessions from a Dask scheduler, until a signal ends it.

    The worker serves its own platform: source packages of that platform are built on it. A scheduler without TLS runs
    the code of anybody who reaches it; see docs/cluster.md. It needs the extra `cluster`.
    """
    from bundle.artifacts.work import Machine
    from bundle.run.cluster.library import require
    from bundle.run.cluster.resources import resources_of
    from bundle.run.cluster.worker import WorkerSettings, work

    require()
    slots = options["slots"] or os.cpu_count() or 1
    root = options["root"] or app.data / "cluster"
    settings = WorkerSettings(
        address=address,
        machine=Machine(
            platform=app.machine, environ=app.environ, store=app.store(), data=app.data, root=root.absolute()
        ),
        resources=resources_of(app.machine, slots, dict(map(_resource, more)), sessions=_has_sessions(app)),
        slots=slots,
        name=options["name"],
        host=options["host"],
        tls=tls_of(options),
    )
    work(settings, app.reporter)
    return 0


def _has_sessions(app: App) -> bool:
    """Return whether the libraries of sessions are here."""
    from bundle.run.sessions.library import require

    try:
        require()
    except ConfigError as error:
        app.reporter.warning(f"This worker takes builds and no sessions: {error.what} ({error.remedy})")
        return False
    return True


def _resource(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        amount = float(number)
    except ValueError:
        amount = 0.0
    if not name or not 0 < amount < 1e12:
        raise click.BadParameter(f"{text} is not NAME=NUMBER, such as GPU=2.", param_hint="--resources")
    return name, amount
