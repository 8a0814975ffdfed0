"""`bundle fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, offline_option, pass_app, platform_option
from bundle.cli.selection import current_lock, names_of, select, title_of, with_sets

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, required=True, metavar="VERSION...")
@platform_option
@offline_option
@pass_app
def fetch(app: App, versions: tuple[str, ...], platforms: tuple[str, ...], offline: bool) -> Result:
    """Fill the wheelhouse with the files of the locks.

    pip and uv can then install from these locks. A platform that is not named is this machine's own.
    """
    from bundle.artifacts.fetch_packages import fetch_packages
    from bundle.artifacts.folder_source import with_folders

    project = app.open_project()
    context = app.context(project, offline=offline)
    fetched: list[dict[str, Any]] = []
    for config, platform in with_sets(select(app, project, versions, platforms, default="own")):
        lock = with_folders(current_lock(project, config, platform), config, context)
        with context.store.in_use(), context.reporter.step(f"fetch {config.title} {platform.key}"):
            fetch_packages(context, config, lock, wheelhouse=project.wheelhouse)
        fetched.append(
            {
                **names_of(config, platform),
                "files": [{"name": one.name, "sha256": one.sha256, "size": one.size} for one in lock.files],
            }
        )

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for one in fetched:
            size = decimal(sum(file["size"] for file in one["files"]))
            console.print(f"{title_of(one)} for {one['platform']}: {counted(len(one['files']), 'file')}, {size}")
        console.print(f"They are in {project.wheelhouse}.")

    return Result(data={"wheelhouse": str(project.wheelhouse), "fetched": fetched}, text=text)
