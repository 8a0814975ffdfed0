"""`bundle schema`."""

from __future__ import annotations

import click

from bundle.cli.app import App, Result, pass_app


@click.command()
@pass_app
def schema(app: App) -> Result:  # noqa: ARG001 - the signature of every command
    """Print the JSON schema of the configuration."""
    from bundle.model.config.schema import schema as load
    from bundle.model.config.schema import schema_text

    return Result(data=load(), text=lambda console: console.print(schema_text().rstrip()))
