"""`bundle clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@pass_app
def clean(app: App) -> Result:
    """Remove the results of builds, the folder pydist/.

    The store and the catalogue stay.
    """
    from bundle.make.project_folder import remove_output

    project = app.open_project()
    freed = remove_output(project)
    name = project.output.name

    def text(console: Console) -> None:
        from rich.filesize import decimal

        console.print(f"Removed {name}/, {decimal(freed)}." if freed is not None else f"There is no {name}/.")

    return Result(data={"removed": name if freed is not None else None, "bytes": freed or 0}, text=text)
