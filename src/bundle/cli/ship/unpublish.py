"""`bundle unpublish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app, platform_option, root_option
from bundle.cli.signing import changing, key_option

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("version")
@platform_option
@click.option("--from", "url", required=True, metavar="URL", help="The remote.")
@root_option
@key_option
@pass_app
def unpublish(
    app: App, version: str, platforms: tuple[str, ...], url: str, root: Path | None, keys: tuple[Path, ...]
) -> Result:
    """Remove VERSION from a remote's catalogue; its layers stay until `bundle gc`."""
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.artifacts.remotes.files import FileRemote
    from bundle.make.publish.collect import unpublish as remove
    from bundle.make.publish.installer import withdraw_installer
    from bundle.make.publish.page import has_page, publish_page

    access = app.access(root=root)
    remote = open_writable(url, access)
    with changing(app, remote, url, access, keys) as catalogue:
        gone = remove(remote, version, platforms, catalogue)
    scripts = []
    if isinstance(remote, FileRemote):
        scripts = withdraw_installer(remote, version, [entry.platform for entry in gone])
    if has_page(remote):
        publish_page(remote, reporter=app.reporter, catalogue=catalogue)

    def text(console: Console) -> None:
        console.print(f"{remote.url} no longer has {version} for {', '.join(entry.platform for entry in gone)}.")
        if scripts:
            console.print(f"{' and '.join(scripts)} no longer install it; publish another version with --installer.")
        console.print("`bundle gc --from URL` removes the layers that nothing needs any more.")

    removed = [{"version": one.version, "platform": one.platform} for one in gone]
    return Result(data={"from": remote.url, "removed": removed, "scripts": scripts}, text=text)
