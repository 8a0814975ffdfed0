"""`bundle cache`: the folder and size of the store, its verification, and the removal of old entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console


@click.group()
def cache() -> None:
    """Inspect and clean the store of layers and files."""


@cache.command(name="dir")
@pass_app
def folder(app: App) -> Result:
    """Print the store's folder."""
    return Result(data={"dir": str(app.cache)}, text=lambda console: console.print(str(app.cache)))


@cache.command()
@pass_app
def size(app: App) -> Result:
    """Print the size of the store and of its parts."""
    parts = app.store().size()
    total = sum(parts.values())

    def text(console: Console) -> None:
        from rich.filesize import decimal

        print_columns(console, [*((name, decimal(part)) for name, part in parts.items()), ("total", decimal(total))])

    return Result(data={"dir": str(app.cache), "total": total, "parts": parts}, text=text)


@cache.command()
@click.option("--repair", is_flag=True, help="Remove damaged entries; the next build that needs them makes them again.")
@pass_app
def verify(app: App, repair: bool) -> Result:
    """Read every byte in the store, and list the damaged entries."""
    damaged = app.store().check(full=True, repair=repair)

    def text(console: Console) -> None:
        for line in damaged:
            console.print(line)
        if not damaged:
            console.print("Everything in the store is sound.")
        elif repair:
            console.print(f"{len(damaged)} damaged; removed. The next build that needs them makes them again.")
        else:
            console.print(f"{len(damaged)} damaged. `bundle cache verify --repair` removes what is listed here.")

    return Result(
        data={"damaged": damaged, "repaired": repair}, text=text, exit_code=4 if damaged and not repair else 0
    )


@cache.command()
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="DAYS",
    help="Age of the last use.",
)
@pass_app
def prune(app: App, days: float) -> Result:
    """Remove entries not used recently, and the remains of killed runs."""
    freed = app.store().prune(older_than_days=days)

    def text(console: Console) -> None:
        from rich.filesize import decimal

        console.print(f"{decimal(freed)} freed in {app.cache}.")

    return Result(data={"dir": str(app.cache), "freed": freed}, text=text)
