"""`bundle rollback`: bring back the bundle that an upgrade replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("version", metavar="VERSION|DIR")
@pass_app
def rollback(app: App, version: str) -> Result:
    """Exchange an install and the one that was kept when it was upgraded.

    VERSION is the one that is installed, or the one that was kept. A second rollback undoes the first.
    """
    from bundle.run.install.records import Records

    app.load_output()
    target = Records(app.data).find(version, former=True).target
    with target.changing(app.reporter):
        before = target.mark
        now = target.rollback()
    replaced = before.version if before else None

    def text(console: Console) -> None:
        console.print(f"{target.path} has {now.version} again; {replaced} is kept.")

    return Result(data={"path": str(target.path), "version": now.version, "kept": replaced}, text=text)
