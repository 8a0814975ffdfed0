"""`bundle provision`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.text import counted
from bundle.cli.app import App, Result, pass_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

_SCRIPTS = Path("/app/scripts")
"""Searched for modules where it exists."""

_ONLINE = "ALLOW_ONLINE_PIP"
_YES, _NO = ("true", "1", "yes", "on"), ("", "false", "0", "no", "off")


@click.command()
@click.argument("packages", type=click.Path(file_okay=False, path_type=Path), metavar="PACKAGES_DIR")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="ENV",
    help="The environment; by default the active one (VIRTUAL_ENV), else .venv in PACKAGES_DIR. It is made if needed.",
)
@click.option(
    "--python",
    metavar="WHICH",
    help="The Python of a new environment: X.Y, a path or bundle:VERSION; that of the PATH.",
)
@click.option(
    "--scripts",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Searched for modules before those of the packages; by default /app/scripts, where it exists.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")
@pass_app
def provision(
    app: App, packages: Path, into: Path | None, python: str | None, scripts: Path | None, dry_run: bool
) -> Result:
    """Install what packages need into an environment, from the wheels that they carry.

    PACKAGES_DIR holds a folder with a package.json for each package. What they need is installed from their wheels/
    without the network, by hash where a lock lies there. ALLOW_ONLINE_PIP=true lets packages without wheels be
    installed from the registry.
    """
    from bundle.run.install.records import Records
    from bundle.run.vendored.provision import Provisioning, Request, default_root

    packages = _absolute(packages)
    request = Request(
        packages=packages,
        root=_absolute(into) if into else default_root(packages, app.environ),
        python=python,
        scripts=_absolute(scripts) if scripts else _SCRIPTS if _SCRIPTS.is_dir() else None,
        online=_is_online(app),
    )
    provisioning = Provisioning(request=request, environ=app.environ, reporter=app.reporter, records=Records(app.data))
    if dry_run:
        plan = provisioning.plan()
        value = {**plan.as_json(), "changes": plan.changes, "collisions": list(plan.path.collisions(plan.target))}
        code = max((error.exit_code for error in plan.problems.errors), default=0)
        return Result(data=value, text=lambda console: _print_plan(console, value), exit_code=code)
    done = provisioning.provision()
    value = {**done.plan.as_json(), "changed": done.changed, "collisions": list(done.collisions)}
    for warning in [*value["warnings"], *value["collisions"]]:
        app.reporter.warning(warning)
    return Result(data=value, text=lambda console: _print_done(console, value))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `..` in the name of an environment cannot be renamed


def _is_online(app: App) -> bool:
    value = app.environ.get(_ONLINE, "").strip().lower()
    if value not in (*_YES, *_NO):
        app.reporter.warning(f"{_ONLINE}={value} is neither true nor false; nothing is asked of a registry.")
    return value in _YES


def _print_done(console: Console, value: Mapping[str, Any]) -> None:
    where = f"{value['environment']}, Python {value['python']} on {value['platform']}"
    if not value["changed"]:
        console.print(f"Nothing to do: {counted(len(value['packages']), 'package')} in {where}.", markup=False)
        return
    console.print(f"Provisioned {counted(len(value['packages']), 'package')} in {where}.", markup=False)
    _print_changes(console, value)


def _print_plan(console: Console, value: Mapping[str, Any]) -> None:
    console.print(
        f"{'Change' if value['exists'] else 'Make'} {value['environment']}, Python {value['python']} on "
        f"{value['platform']}:"
        if value["changes"]
        else f"Nothing to do in {value['environment']}, Python {value['python']} on {value['platform']}.",
        markup=False,
    )
    for one in value["packages"]:
        locked = ", locked" if one["locked"] else ""
        console.print(f"  {one['name']}: {_SOURCES[one['source']]}{locked}", markup=False)
    _print_changes(console, value)
    for folder in value["search"]:
        console.print(f"  search {folder}", markup=False)
    for line in [*value["warnings"], *value["collisions"]]:
        console.print(f"warning: {line}", markup=False)
    for error in value["problems"]:
        console.print(f"error: {error['what']}", markup=False)
        for line in [*error["details"], f"to do: {error['remedy']}"]:
            console.print(f"  {line}", markup=False)


_SOURCES = {
    "wheels": "from its wheels",
    "registry": "from the registry",
    "installed": "satisfied by what is installed or carried by others",
    "nothing": "needs nothing",
    "missing": "not satisfied",
}


def _print_changes(console: Console, value: Mapping[str, Any]) -> None:
    for one in value["install"]:
        console.print(f"  install {one['name']} {one['version']} ({one['package']})", markup=False)
    for text in value["online"]:
        console.print(f"  install {text} from the registry", markup=False)
