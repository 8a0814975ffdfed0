"""`bundle run`: start a program in an install."""

from __future__ import annotations

import click

from bundle.cli.app import App, pass_app


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("version", metavar="VERSION|DIR")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_app
def run(app: App, version: str, command: tuple[str, ...]) -> int:
    """Start a program of VERSION, as in `bundle run VERSION -- python app.py`.

    The bundle's programs come first on the path, and the variables that its configuration sets are set. There is no
    shell: signals reach the program, and its exit code is that of this command. DIR may be any folder with a bundle.
    """
    from bundle.run.install.records import Records
    from bundle.run.install.start import runtime_of, start

    if command[:1] == ("--",):
        command = command[1:]
    return start(runtime_of(version, Records(app.data)), command, environ=app.environ, machine=app.machine)
