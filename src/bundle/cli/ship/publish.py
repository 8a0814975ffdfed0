"""`bundle publish`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, page_option, pass_app, platform_option, root_option
from bundle.cli.ship.extras import Extras, extra_options, print_images
from bundle.cli.signing import changing, key_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bundle.artifacts.remotes.remote import CatalogueHolder, Remote
    from bundle.make.publish.publish import Publication


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
@extra_options
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
    A bundle that may not be published keeps no other one from it; the exit code is then that of the gravest reason.
    """
    from bundle.artifacts.catalogue import Catalogue
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.cli.failures import print_failures
    from bundle.make.publish.candidates import candidates_of, entries_with_refused
    from bundle.make.publish.installer import installer_of
    from bundle.make.publish.publish import publish as publish_all

    if bool(versions) == every:
        raise ConfigError("Give either versions or --all.", remedy="`bundle catalogue list` shows what is built.")
    project = app.open_project()
    access = app.access(root=options["root"])
    remote = open_writable(url, access)
    extras = Extras(app, remote, options)
    named = Catalogue.load(project.catalogue).versions() if every else versions
    store = app.store()
    with app.reporter.step("reading"):
        entries, refused = entries_with_refused(project, named, platforms)
        substitutes, archives = options["allow_substitute"], options["archives"]
        candidates, others = candidates_of(entries, project, store, substitutes=substitutes, archives=archives)
        refused += others
        if len(refused) == 1 and not candidates:
            raise refused[0].error
        names = {candidate.name for candidate in candidates}
        ready = [entry for entry in entries if f"{entry.version}-{entry.platform}" in names]
        installer = installer_of(ready, project) if extras.files else None
        if ready:
            extras.read_bases(entry.platform for entry in ready)
    dry_run, repair = options["dry_run"], options["repair"]
    with changing(app, remote, url, access, options["keys"], dry_run=dry_run) as catalogue:
        done = publish_all(
            candidates, remote, reporter=app.reporter, catalogue=catalogue, dry_run=dry_run, repair=repair
        )
    images = [] if dry_run else extras.publish(candidates, installer, project)
    failures = [one.as_json() for one in refused]
    page = _written_page(app, remote, catalogue, repair=repair) if options["page"] and not dry_run else None

    def text(console: Console) -> None:
        if done or refused:
            _print(console, done, remote.url, dry_run=dry_run)
        else:
            console.print("Nothing to publish: the catalogue of this project has no bundle yet.")
        _print_page(console, page)
        if installer:
            keys = ", ".join(installer.archives)
            console.print(f"installer: {installer.version} for {keys}{', would be sent' if dry_run else ''}")
        print_images(console, images)
        print_failures(console, failures)

    bundles = [one.as_json() for one in done]
    data: dict[str, Any] = {"to": remote.url, "dryRun": dry_run, "bundles": bundles, "failed": failures}
    if installer:
        data["installer"] = {"version": installer.version, "platforms": list(installer.archives)}
    data |= {**extras.as_json(images), "page": page}
    return Result(data=data, text=text, exit_code=max((one.error.exit_code for one in refused), default=0))


def _written_page(app: App, remote: Remote, catalogue: CatalogueHolder, *, repair: bool) -> dict[str, int] | None:
    """Write the page for people, and return how much was written; None if there is none."""
    from bundle.make.publish.page import publish_page

    page = publish_page(remote, reporter=app.reporter, catalogue=catalogue, repair=repair)
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
    console.print(f"{what} {decimal(sent)} to {url}.")
