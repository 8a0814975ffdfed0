"""`bundle build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option, select_platforms

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.make.order import Order
    from bundle.model.project import Project


@click.command(name="build")
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="VERSION...")
@click.option("--all", "every", is_flag=True, help="Build every version of the project.")
@platform_option
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for the results; else pydist/."
)
@click.option("--locked", is_flag=True, help="Refuse a missing or stale lock instead of writing it.")
@click.option("--offline", is_flag=True, help="Use the cache alone, never the network.")
@click.option(
    "--interpreter",
    "interpreters",
    multiple=True,
    metavar="WHICH",
    help="A source, a path, or PLATFORM=PATH; else as configured.",
)
@click.option("--no-archive", is_flag=True, help="Leave the archives out; the bundle is not catalogued then.")
@click.option("--no-verify", is_flag=True, help="Leave the verification out; the bundle is not catalogued then.")
@click.option("--verify-store", is_flag=True, help="Read every byte of the stored layers before using them.")
@pass_app
def build(app: App, /, versions: tuple[str, ...], every: bool, platforms: tuple[str, ...], **options: Any) -> Result:
    """Build bundles: all steps from configuration to catalogue.

    A platform that is not named is this machine's own. What is already there and up to date is left as it is.
    """
    from bundle.make.build import build_bundle
    from bundle.model.project import Project

    project = Project(app.project)
    wanted = tuple(project.versions()) if every else versions
    if not wanted:
        raise ConfigError(
            "No version is named.", remedy="Name one or more, or use --all; `bundle versions` lists them."
        )
    context = app.context(project, offline=options["offline"], verify_store=options["verify_store"])
    orders = [order for version in wanted for order in _orders(app, project, version, platforms, options)]
    built: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    codes = [0]
    for order in orders:
        try:
            built.append(build_bundle(order, context))
        except BundleError as error:
            if len(orders) == 1 and not app.json:
                raise
            context.reporter.warning(f"{order.name} failed\n{error.as_text()}")
            failed.append({"version": order.config.version, "platform": order.platform.key, **error.as_json()})
            codes.append(error.exit_code)

    def text(console: Console) -> None:
        from bundle.cli.summary import print_bundle

        for one in built:
            print_bundle(console, one, Path.cwd())
        for one in failed:
            console.print(f"{one['version']} for {one['platform']}: failed: {one['what']}")

    return Result(data={"bundles": built, "failed": failed}, text=text, exit_code=max(codes))


def _orders(
    app: App, project: Project, version: str, platforms: tuple[str, ...], options: dict[str, Any]
) -> list[Order]:
    from bundle.make.order import Order

    config = project.load(version, app.environ).config
    own = (app.machine.key,) if app.machine else ()
    selected = select_platforms(platforms, default=own)
    if not selected:
        raise ConfigError(
            "This machine is none of the known platforms, so none can be assumed.", remedy="Name one with --platform."
        )
    foreign = [platform.key for platform in selected if platform.key not in config.platforms]
    if foreign and "all" not in platforms:
        raise ConfigError(
            f"{version} is not built for {', '.join(foreign)}.",
            cause=f"Its `platforms` are {', '.join(config.platforms)}.",
            remedy="Name one of them with --platform, or add the platform to the version's configuration.",
        )
    output = options["output"]
    folder = output.absolute() if output else project.output
    return [
        Order(
            config=config,
            platform=platform,
            output=folder,
            catalogue=folder / "catalogue.json" if output else project.catalogue,
            catalogue_root=folder if output else project.root,
            locked=options["locked"],
            interpreters=options["interpreters"],
            archive=not options["no_archive"],
            verify=not options["no_verify"],
        )
        for platform in selected
        if platform.key in config.platforms
    ]
