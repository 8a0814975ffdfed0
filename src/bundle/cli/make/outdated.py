"""`bundle outdated`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import App, Result, complete_version, offline_option, pass_app, platform_option
from bundle.cli.selection import names_of, select, with_sets
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from bundle.make.outdated import Age


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="[VERSION...]")
@platform_option
@offline_option
@pass_app
def outdated(app: App, /, versions: tuple[str, ...], platforms: tuple[str, ...], offline: bool) -> Result:
    """Show which locked packages have newer versions.

    The default is all platforms of each VERSION, and all versions. For each package there is the locked version, the
    one that `bundle lock --upgrade` would take, the newest of the registry with a file for this Python and platform,
    and what holds that one back. The locks stay as they are.
    """
    from bundle.make.outdated import ages_of

    if offline:
        raise ConfigError(
            "Newer versions stand on the pages of the registries, and --offline forbids to ask for them.",
            remedy="Run it without --offline; `bundle tree` shows the locked versions.",
        )
    project = app.open_project()
    context = app.context(project)
    orders = with_sets(select(app, project, versions or project.versions(), platforms, default="all"))
    data: list[dict[str, Any]] = []
    found: dict[tuple[str, str], list[Age]] = {}
    failed: list[dict[str, Any]] = []
    codes = [0]
    for config, platform in orders:
        try:
            ages = ages_of(context, context.lock_status(config, platform))
        except BundleError as error:
            if len(orders) == 1:
                raise
            app.warn_of_failure(f"{config.title} for {platform.key}", error)
            failed.append({**names_of(config, platform), **error.as_json()})
            codes.append(error.exit_code)
        else:
            found[config.title, platform.key] = ages
            data.append({**names_of(config, platform), "packages": [age.as_json() for age in ages]})
    return Result(data={"locks": data, "failed": failed}, text=lambda c: _print(c, found, failed), exit_code=max(codes))


def _print(
    console: Console, found: Mapping[tuple[str, str], Sequence[Age]], failed: Sequence[Mapping[str, Any]]
) -> None:
    """Print what is outdated, once for all platforms of a version on which it is the same."""
    from bundle.cli.failures import print_failures

    for version in dict.fromkeys(version for version, _ in found):
        mine = {platform: ages for (one, platform), ages in found.items() if one == version}
        names = {age.name for ages in mine.values() for age in ages}
        alike: dict[Age, list[str]] = {}
        for platform, ages in mine.items():
            for age in ages:
                if age.is_outdated:
                    alike.setdefault(age, []).append(platform)
        behind = {age.name for age in alike}
        console.print(f"{version}: {len(behind)} of {len(names)} packages are outdated")
        rows = []
        for age, platforms in sorted(alike.items(), key=lambda item: item[0].name):
            where = "all" if len(platforms) == len(mine) else ", ".join(platforms)
            first, *more = [str(one) for one in age.held_back_by] or [""]
            rows.append([age.name, age.locked, age.upgrade or "-", age.newest or "-", where, first])
            rows += [["", "", "", "", "", one] for one in more]
        if rows:
            heading = ["package", "locked", "upgrade", "newest", "platforms", "held back by"]
            print_columns(console, rows, heading=heading, indent=2)
    print_failures(console, failed)
