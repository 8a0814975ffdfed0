"""`bundle publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="VERSION...")
@click.option("--all", "every", is_flag=True, help="Publish every version in the project's catalogue.")
@platform_option
@click.option("--to", "url", required=True, metavar="URL", help="The remote: a folder, or an address such as s3://….")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option(
    "--allow-substitute", is_flag=True, help="Publish also where another Python release than asked for is in."
)
@click.option(
    "--archives", is_flag=True, help="Publish the archives of whole bundles as well, for people with tar alone."
)
@click.option("--repair", is_flag=True, help="Read what the remote has of these bundles, and replace what is damaged.")
@pass_app
def publish(
    app: App, /, versions: tuple[str, ...], every: bool, platforms: tuple[str, ...], url: str, **flags: bool
) -> Result:
    """Publish verified bundles to a remote, which gets the layers that it lacks.

    The catalogue is written last. Without --platform, all platforms that a version was built for. Interrupted, the
    next run goes on where this one stopped.
    """
    from bundle.artifacts.catalogue import Catalogue
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.make.publish.candidates import candidate_of, entries_of
    from bundle.make.publish.publish import publish as publish_all

    if bool(versions) == every:
        raise ConfigError("Give either versions or --all.", remedy="`bundle catalogue list` shows what is built.")
    project = app.open_project()
    remote = open_writable(url, app.access())
    named = Catalogue.load(project.catalogue).versions() if every else versions
    store = app.store()
    with app.reporter.step("reading"):
        candidates = [
            candidate_of(entry, project, store, substitutes=flags["allow_substitute"], archives=flags["archives"])
            for entry in entries_of(project, named, platforms)
        ]
    dry_run = flags["dry_run"]
    done = publish_all(candidates, remote, reporter=app.reporter, dry_run=dry_run, repair=flags["repair"])

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for one in done:
            console.print(
                f"{one.version} for {one.platform}: {'would be ' if dry_run else ''}{one.status}, "
                f"{one.sent} of {one.layers} layers, {decimal(one.bytes_sent)} of {decimal(one.size)} "
                f"{'to send' if dry_run else 'sent'}"
            )
        sent = sum(one.bytes_sent for one in done)
        what = "Would send" if dry_run else "Sent"
        console.print(f"{what} {decimal(sent)} to {remote.url}." if done else "The catalogue has no bundle yet.")

    data = {"to": remote.url, "dryRun": dry_run, "bundles": [one.as_json() for one in done]}
    return Result(data=data, text=text)
