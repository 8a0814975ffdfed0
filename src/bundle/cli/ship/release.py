"""`bundle release`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import (
    App,
    Result,
    complete_version,
    interpreter_option,
    page_option,
    pass_app,
    platform_option,
    root_option,
)
from bundle.cli.selection import select
from bundle.cli.ship.extras import Extras, extra_options, print_images
from bundle.cli.signing import changing, key_option

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="[VERSION]...")
@platform_option
@click.option("--to", "url", required=True, metavar="URL", help="The remote: a folder, or an address such as s3://….")
@click.option("--dry-run", is_flag=True, help="Say what would be built and published, and do neither.")
@click.option(
    "--allow-substitute", is_flag=True, help="Publish also where another Python release than asked for is in."
)
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Wheels that `bundle wheel --hand-over` built on machines of other platforms.",
)
@page_option
@extra_options
@interpreter_option
@root_option
@key_option
@pass_app
def release(
    app: App,
    /,
    versions: tuple[str, ...],
    platforms: tuple[str, ...],
    url: str,
    wheels: Path | None,
    interpreters: tuple[str, ...],
    **options: Any,
) -> Result:
    """Build, verify and publish every bundle that differs from the remote's.

    Without VERSION, every version of the project; without --platform, all platforms of each. Bundles are built from
    their locks, as with --locked. One whose lock, configuration, interpreter and rules are those of the published
    bundle is not built. What fails keeps nothing else from being published.
    """
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.make.build_request import BuildRequest
    from bundle.make.publish.page import publish_page
    from bundle.make.publish.release import installer_of_release, require_tool
    from bundle.make.publish.release import release as release_all
    from bundle.make.sources.wheel_cache import take_in

    project = app.open_project()
    wanted = versions or tuple(project.versions())
    if not wanted:
        raise ConfigError("This project has no versions.", remedy="`bundle new VERSION` starts one.")
    access = app.access(root=options["root"])
    remote = open_writable(url, access)
    extras = Extras(app, remote, options)
    context = app.context(project)
    if wheels is not None:
        taken = take_in(wheels, context.store, reporter=app.reporter)
        app.reporter.info(f"{len(taken)} wheels taken in from {wheels}")
    requests = [
        BuildRequest(
            config=config,
            platform=platform,
            output=project.output,
            catalogue=project.catalogue,
            catalogue_root=project.root,
            locked=True,
            interpreters=interpreters,
        )
        for config, platform in select(app, project, wanted, platforms, default="all")
    ]
    dry_run, substitutes = options["dry_run"], options["allow_substitute"]
    if extras.files:
        require_tool(requests)
    extras.read_bases(request.platform.key for request in requests)
    with changing(app, remote, url, access, options["keys"], dry_run=dry_run) as catalogue:
        done, failed = release_all(
            requests, context, remote, substitutes=substitutes, catalogue=catalogue, dry_run=dry_run
        )
    installer, images = None, []
    if not dry_run:
        installer = installer_of_release(requests, done, context, extras.files) if extras.files else None
        images = extras.publish([one.candidate for one in done if one.candidate], installer, project)
        if options["page"]:
            publish_page(remote, reporter=app.reporter, catalogue=catalogue)
    failures = [
        {"version": one.request.config.version, "platform": one.request.platform.key, **one.error.as_json()}
        for one in failed
    ]

    def text(console: Console) -> None:
        from rich.filesize import decimal

        from bundle.cli.failures import print_failures

        for one in done:
            line = f"{one.planned.request.config.version} for {one.planned.request.platform.key}: {one.planned.why}"
            if (sent := one.publication) is not None:
                line += f"; {sent.sent} of {sent.layers} layers, {decimal(sent.bytes_sent)} sent"
            console.print(line)
        if installer:
            console.print(f"installer: {installer.version} for {', '.join(installer.archives)}")
        print_images(console, images)
        print_failures(console, failures)
        sent_all = sum(one.publication.bytes_sent for one in done if one.publication)
        changed = sum(one.planned.status != "unchanged" for one in done)
        what = f"{changed} of {len(requests)} bundles"
        console.print(
            f"Would build and publish {what} to {remote.url}."
            if dry_run
            else f"Published {what} to {remote.url}, {decimal(sent_all)} sent."
        )

    data = {
        "to": remote.url,
        "dryRun": dry_run,
        "bundles": [one.as_json() for one in done],
        "failed": failures,
        **extras.as_json(images),
    }
    return Result(data=data, text=text, exit_code=1 if failed else 0)
