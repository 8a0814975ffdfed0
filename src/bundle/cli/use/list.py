"""`bundle list`: what is installed, and what an upgrade would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.run.install.upgrades import Outlook


@click.command(name="list")
@click.option("--offline", is_flag=True, help="Do not ask the sources what an upgrade would bring.")
@pass_app
def list(app: App, offline: bool) -> Result:  # noqa: A001 - the command's name
    """List what is installed, where, and what an upgrade would bring."""
    from bundle.run.install.records import Records
    from bundle.run.install.upgrades import outlooks

    installed = [*Records(app.data).all()]
    found: dict[int, Outlook] = {}
    if installed and not offline:
        found = dict(enumerate(outlooks(installed, app.store(), app.access())))

    def text(console: Console) -> None:
        if not installed:
            console.print("Nothing is installed; `bundle install VERSION --from URL` installs a bundle.")
            return
        rows = [
            (one.mark.version, one.mark.platform, str(one.target.path), one.mark.source, _said(found.get(number)))
            for number, one in enumerate(installed)
        ]
        print_columns(console, rows, heading=("VERSION", "PLATFORM", "FOLDER", "SOURCE", "UPGRADE"))

    data = []
    for number, one in enumerate(installed):
        previous, outlook = one.target.previous, found.get(number)
        data.append(
            {
                "version": one.mark.version,
                "platform": one.mark.platform,
                "path": str(one.target.path),
                "digest": one.mark.digest,
                "source": one.mark.source,
                "previous": previous.version if previous else None,
                "upgrade": {
                    "state": outlook.state,
                    "layers": outlook.layers,
                    "bytes": outlook.moves,
                    "packages": [*outlook.packages],
                    "why": outlook.why or None,
                }
                if outlook
                else None,
            }
        )
    return Result(data={"installed": data}, text=text)


def _said(outlook: Outlook | None) -> str:
    from rich.filesize import decimal

    from bundle.base.text import shortened

    if outlook is None:
        return "not asked"
    if outlook.state == "upgrade":
        changes = f": {shortened(outlook.packages)}" if outlook.packages else ""
        return f"{decimal(outlook.moves)} in {outlook.layers} layers{changes}"
    said = {"current": "up to date", "gone": "the source no longer has it", "unknown": f"unknown: {outlook.why}"}
    return said[outlook.state]
