"""`bundle platforms`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.cli.app import App, Result, pass_app
from bundle.cli.tables import FLOOR_NAMES, print_columns
from bundle.model.platforms import PLATFORMS, Floors

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@pass_app
def platforms(app: App) -> Result:
    """List the platforms that bundles are made for."""
    floors = Floors()
    rows: list[dict[str, Any]] = [
        {
            "key": platform.key,
            "triple": platform.triple,
            "newestTag": next(tag.platform for tag in platform.tags("3.12.0", floors)),
            "floor": next((f"{FLOOR_NAMES[name]} {value}" for name, value in floors.of(platform.system).items()), None),
            "machine": platform is app.machine,
        }
        for platform in PLATFORMS.values()
    ]

    def text(console: Console) -> None:
        table = [
            (row["key"], row["triple"], row["newestTag"], row["floor"] or "none", "yes" if row["machine"] else "")
            for row in rows
        ]
        heading = ("PLATFORM", "INTERPRETER", "NEWEST WHEEL TAG", "DEFAULT FLOOR", "THIS MACHINE")
        print_columns(console, table, heading=heading)

    return Result(data={"platforms": rows}, text=text)
