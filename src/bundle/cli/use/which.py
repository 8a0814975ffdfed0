"""`bundle which`: the folder of an install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("version", metavar="VERSION|DIR")
@pass_app
def which(app: App, version: str) -> Result:
    """Print the folder in which VERSION is installed."""
    from bundle.run.install.records import Records

    found = Records(app.data).find(version)

    def text(console: Console) -> None:
        console.print(str(found.target.path))

    mark = found.mark
    data = {"version": mark.version, "platform": mark.platform, "path": str(found.target.path), "digest": mark.digest}
    return Result(data=data, text=text)
