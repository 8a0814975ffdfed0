"""`bundle publish`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, page_option, pass_app, platform_option, root_option
from bundle.cli.signing import changing, key_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bundle.artifacts.remotes.remote import Remote
    from bundle.make.publish.publish import Publication
    from bundle.make.publish.runnable import Published


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
@click.option(
    "--installer", is_flag=True, help="Publish scripts that install the tool itself, which one of the versions holds."
)
@click.option("--address", default="", metavar="URL", help="The web address of the remote, for these scripts.")
@click.option(
    "--base", default="", metavar="IMAGE", help="Publish also images that start the bundle's Python, on this one."
)
@page_option
@root_option
@key_option
@pass_app
def publish(
    app: App,
    /,
    versions: tuple[str, ...],
    every: bool,
    platforms: tuple[str, ...],
    url: str,
    **options: Any,
) -> Result:
    """Publish verified bundles to a remote, which gets the layers that it lacks.

    The catalogue is written last. Without --platform, all platforms that a version was built for. Interrupted, the
    next run goes on where this one stopped. A remote with signed metadata (`bundle trust`) needs its keys and its root.
    """
    from bundle.artifacts.catalogue import Catalogue
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.make.publish.candidates import candidate_of, entries_of
    from bundle.make.publish.installer import installer_of, publish_installer, require_address, require_files
    from bundle.make.publish.publish import publish as publish_all
    from bundle.make.publish.runnable import bases_of, publish_runnables, require_registry

    if bool(versions) == every:
        raise ConfigError("Give either versions or --all.", remedy="`bundle catalogue list` shows what is built.")
    address, base = options["address"], options["base"]
    if address and not options["installer"]:
        raise ConfigError("--address is for the scripts of --installer alone.")
    require_address(address)
    project = app.open_project()
    access = app.access(root=options["root"])
    remote = open_writable(url, access)
    files = require_files(remote) if options["installer"] else None
    registry = require_registry(remote) if base else None
    named = Catalogue.load(project.catalogue).versions() if every else versions
    store = app.store()
    with app.reporter.step("reading"):
        entries = entries_of(project, named, platforms)
        candidates = [
            candidate_of(entry, project, store, substitutes=options["allow_substitute"], archives=options["archives"])
            for entry in entries
        ]
        installer = installer_of(entries, project) if options["installer"] else None
        bases = bases_of(base, candidates, app.environ, reporter=app.reporter) if base else {}
    dry_run, repair = options["dry_run"], options["repair"]
    images: list[Published] = []
    with changing(app, remote, url, access, options["keys"], dry_run=dry_run) as catalogue:
        done = publish_all(
            candidates, remote, reporter=app.reporter, catalogue=catalogue, dry_run=dry_run, repair=repair
        )
    if files and installer and not dry_run:
        publish_installer(installer, files, address, reporter=app.reporter)
    if registry and not dry_run:
        images = publish_runnables(candidates, bases, registry, project, environ=app.environ, reporter=app.reporter)
    page = _written_page(app, remote) if options["page"] and not dry_run else None

    def text(console: Console) -> None:
        _print(console, done, remote.url, dry_run=dry_run)
        _print_page(console, page)
        if installer:
            keys = ", ".join(installer.archives)
            console.print(f"installer: {installer.version} for {keys}{', would be sent' if dry_run else ''}")
        for image in images:
            console.print(f"image for {image.platform}: {image.reference}, on {image.base}", soft_wrap=True)

    data: dict[str, Any] = {"to": remote.url, "dryRun": dry_run, "bundles": [one.as_json() for one in done]}
    if installer:
        data["installer"] = {"version": installer.version, "platforms": list(installer.archives)}
    if base:
        data["bases"] = {key: f"{one.base.name}@{one.base.digest}" for key, one in bases.items()}
        data["images"] = [asdict(image) for image in images]
    data["page"] = page
    return Result(data=data, text=text)


def _written_page(app: App, remote: Remote) -> dict[str, int] | None:
    """Write the page for people, and return how much was written; None if there is none."""
    from bundle.make.publish.page import publish_page

    page = publish_page(remote, reporter=app.reporter)
    return None if page is None else asdict(page)


def _print_page(console: Console, page: dict[str, int] | None) -> None:
    if page is not None:
        console.print(f"The page tells of {counted(page['bundles'], 'bundle')}; {page['written']} written.")


def _print(console: Console, done: Sequence[Publication], url: str, *, dry_run: bool) -> None:
    from rich.filesize import decimal

    for one in done:
        console.print(
            f"{one.version} for {one.platform}: {'would be ' if dry_run else ''}{one.status}, "
            f"{one.sent} of {one.layers} layers, {decimal(one.bytes_sent)} of {decimal(one.size)} "
            f"{'to send' if dry_run else 'sent'}"
        )
    sent = sum(one.bytes_sent for one in done)
    what = "Would send" if dry_run else "Sent"
    console.print(f"{what} {decimal(sent)} to {url}." if done else "The catalogue has no bundle yet.")
