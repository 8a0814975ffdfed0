"""What commands share that run their work on a cluster: options, the connection, the log of the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bundle.base.errors import ConfigError

if TYPE_CHECKING:
    from bundle.cli.app import App
    from bundle.run.cluster.cluster import Cluster
    from bundle.run.cluster.library import Tls
    from bundle.run.cluster.messages import Told

Command = TypeVar("Command", bound=Callable[..., Any])

_TLS = ("tls_ca_file", "tls_cert", "tls_key")

_FILE = click.Path(dir_okay=False, path_type=Path)


def tls_options(command: Command) -> Command:
    """Add the options for the files that encrypt connections."""
    for name, text in (("key", "The private key."), ("cert", "The certificate of this machine."), ("ca-file", "")):
        told = text or "Certificates of the authority that signed those of the cluster, as Dask has them."
        command = click.option(f"--tls-{name}", type=_FILE, help=told)(command)
    return command


def scheduler_options(command: Command) -> Command:
    """Add the options for a cluster."""
    text = "Run the work on a Dask cluster: tcp://HOST:PORT, or local:N for N workers on this machine."
    return click.option("--scheduler", metavar="ADDRESS", help=text)(tls_options(command))


def check_options(options: Mapping[str, Any], *others: str) -> None:
    """Refuse options of clusters that would have no effect.

    Args:
        options: of the command, by their parameters.
        others: the parameters that need a scheduler, beside those for certificates, with their options' names.

    Raises:
        ConfigError: there is one.
    """
    from bundle.run.cluster.library import local_workers

    tls = [f"--{name.replace('_', '-')}" for name in _TLS if options[name] is not None]
    given = [*tls, *(f"--{name.replace('_', '-')}" for name in others if options[name] is not None)]
    if given and options["scheduler"] is None:
        raise ConfigError(
            f"{given[0]} is for work on a cluster, and no --scheduler is given.",
            remedy="Add --scheduler ADDRESS, or leave it out.",
        )
    if tls and local_workers(options["scheduler"]) is not None:
        raise ConfigError(
            f"{tls[0]} is for the scheduler of an address; one of this machine has certificates of its own.",
            remedy="Leave it out, or name the address of a scheduler, tls://HOST:PORT.",
        )


def tls_of(options: dict[str, Any]) -> Tls:
    """Take the files out of a command's options."""
    from bundle.run.cluster.library import Tls

    return Tls(ca_file=options.pop("tls_ca_file"), cert=options.pop("tls_cert"), key=options.pop("tls_key"))


def connected(app: App, options: Mapping[str, Any]) -> AbstractContextManager[Cluster]:
    """Connect to the cluster that a command's options name."""
    from bundle.run.cluster.cluster import connected as connect

    return connect(options["scheduler"], options["tls"], app.reporter, app.environ, app.data / "cluster")


def tell(app: App, told: Told) -> None:
    """Show a line of the log of work on a worker."""
    if told.line is not None:
        app.reporter.info(f"[{told.piece.name} {told.worker}] {told.line}")
