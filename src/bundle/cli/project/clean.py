"""`bundle clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option, select_platforms
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="[VERSION...]")
@platform_option
@pass_app
def clean(app: App, /, versions: tuple[str, ...], platforms: tuple[str, ...]) -> Result:
    """Remove the results of builds: pydist/, or its part of each VERSION.

    A build that runs is awaited. The store and the catalogue stay.
    """
    from bundle.make.project_folder import remove_bundles, remove_output

    project = app.open_project()
    name = project.output.name
    if not versions:
        if platforms:
            raise ConfigError("--platform needs a version.", remedy="Name one or more; `bundle versions` lists them.")
        removed = {name: remove_output(project, reporter=app.reporter)}
    else:
        keys = [platform.key for platform in select_platforms(platforms, default=tuple(PLATFORMS))]
        removed = {version: remove_bundles(project, version, keys, reporter=app.reporter) for version in versions}
    freed = sum(size or 0 for size in removed.values())
    there = [one for one, size in removed.items() if size is not None]

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for one in removed.keys() - set(there):
            console.print(f"There is nothing of {one} in {name}/." if versions else f"There is no {name}/.")
        if there:
            names = ", ".join(there) if versions else f"{name}/"
            console.print(f"Removed {names}, {decimal(freed)}.")

    return Result(data={"removed": there, "bytes": freed}, text=text)
