"""`bundle uninstall`: remove an install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("version", metavar="VERSION|DIR")
@pass_app
def uninstall(app: App, version: str) -> Result:
    """Remove the install of VERSION, and what was kept of an earlier one.

    A folder to which files were added stays as it is.
    """
    from bundle.run.install.records import Records
    from bundle.run.install.remove import remove

    app.load_output()
    records = Records(app.data)
    found = records.find(version)
    remove(found.target, records, reporter=app.reporter)

    def text(console: Console) -> None:
        console.print(f"{found.mark.version} is removed from {found.target.path}.")

    return Result(data={"version": found.mark.version, "path": str(found.target.path)}, text=text)
