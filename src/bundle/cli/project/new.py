"""`bundle new`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("version")
@click.option("--from", "template", metavar="VERSION", help="Start from a copy of this version, without its locks.")
@pass_app
def new(app: App, version: str, template: str | None) -> Result:
    """Start a new VERSION, named X.Y.Z or X.Y.Z-variant."""
    from bundle.make.project_folder import start_version

    project = app.open_project()
    path = start_version(project, version, template=template).relative_to(project.root).as_posix()

    def text(console: Console) -> None:
        console.print(f"{path} is written. Edit it, then run:")
        console.print(f"  bundle check {version}")
        console.print(f"  bundle build {version}")

    return Result(data={"version": version, "path": path}, text=text)
