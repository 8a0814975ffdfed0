"""`bundle gc`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return the seconds of a duration such as `90m`, `24h` or `7d`."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not like 90m, 24h or 7d.", ctx, param)
    return int(match[1]) * _SECONDS[match[2]]


@click.command()
@click.option("--from", "url", required=True, metavar="URL", help="The remote.")
@click.option(
    "--grace",
    callback=_seconds,
    metavar="TIME",
    default="24h",
    show_default=True,
    help="What is younger stays: a publisher may have sent it for a catalogue that it is about to write.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@pass_app
def gc(app: App, url: str, grace: int, dry_run: bool) -> Result:
    """Remove from a remote the layers that no bundle in its catalogue needs."""
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.make.publish.collect import collect

    remote = open_writable(url, app.access())
    done = collect(remote, grace=grace, reporter=app.reporter, dry_run=dry_run)

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for one in done.removed if dry_run else ():
            console.print(f"{one.kind} {one.name} ({decimal(one.size)})")
        console.print(
            f"{'Would remove' if dry_run else 'Removed'} {len(done.removed)} layers and documents, "
            f"{decimal(done.freed)}, from {remote.url}; {done.kept} are needed, {done.young} too young."
        )

    data = {
        "from": remote.url,
        "dryRun": dry_run,
        "removed": [{"kind": one.kind, "name": one.name, "size": one.size} for one in done.removed],
        "bytes": done.freed,
        "kept": done.kept,
        "young": done.young,
    }
    return Result(data=data, text=text)
