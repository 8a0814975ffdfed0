"""`bundle lock`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, offline_option, pass_app, platform_option
from bundle.cli.selection import names_of, select, title_of, with_sets
from bundle.cli.tables import print_columns, shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bundle.make.resolve.coverage import Coverage
    from bundle.make.resolve.locks import LockUpdate
    from bundle.model.config.config import Config
    from bundle.model.config.project import Project
    from bundle.model.platforms import Platform

_EVERYTHING = "*"
"""The value of `--upgrade` without a name."""


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="VERSION...")
@platform_option
@click.option("--all", "everything", is_flag=True, help="All versions; what --check alone means, too.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 if a lock is missing or stale and list what a new one would lose, 4 if one was edited.",
)
@click.option(
    "--upgrade",
    "upgrades",
    multiple=True,
    is_flag=False,
    flag_value=_EVERYTHING,
    metavar="[PACKAGE]",
    help="Take the newest version of a package, or of all packages, in place of the locked one.",
)
@click.option("--table", is_flag=True, help="Print the decision on each package, also where there was a lock before.")
@offline_option
@pass_app
def lock(
    app: App, /, versions: tuple[str, ...], platforms: tuple[str, ...], upgrades: tuple[str, ...], **options: bool
) -> Result:
    """Write or check locks, the list of a platform's packages file by file.

    The default is all platforms of each VERSION. A package keeps its locked version as long as that fits. What changed
    is printed, or, for a version without a lock and with --table, the decision for each package on each platform; a
    dash is a package that nothing requires there.
    """
    from bundle.make.resolve.coverage import broken_skips
    from bundle.make.resolve.locks import examine_lock, left_over, require_known, update_lock

    project = app.open_project()
    names, wanted = _upgrades(
        upgrades, versions, project, everything=options["everything"] or (options["check"] and not versions)
    )
    context = app.context(project, offline=options["offline"])
    orders = select(app, project, wanted, platforms, default="all")
    configs = {config.version: config for config, _ in orders}
    if isinstance(names, frozenset):
        require_known(context, list(configs.values()), names)
    orders = with_sets(orders)
    left = [
        (config, platform, path)
        for config in configs.values()
        for platform, path in (left_over(context, config) if not platforms or "all" in platforms else ())
    ]
    table = options["table"]
    if options["check"]:
        return _checked([examine_lock(context, context.lock_status(*order)) for order in orders], left, table=table)
    updates = []
    for config, platform in orders:
        update = update_lock(context, context.lock_status(config, platform), upgrade=names)
        if update.error is not None:
            if len(orders) == 1:
                raise update.error
            app.warn_of_failure(f"{config.title} for {platform.key}", update.error)
        updates.append(update)
    for config in configs.values():
        locks = [one.lock for one in updates if one.lock is not None and one.status.config.version == config.version]
        for warning in broken_skips(locks):
            context.reporter.warning(f"{config.version}: {warning}")
    for one in left:
        context.reporter.warning(f"{_why_left(*one)} Delete it.")
    return _written(updates, table=table)


def _why_left(config: Config, platform: Platform, path: Path) -> str:
    lacking = "has no such set" if platform.key in config.platforms else f"is not built for {platform.key}"
    return f"{path} is left over: {config.version} {lacking}."


def _upgrades(
    upgrades: tuple[str, ...], versions: tuple[str, ...], project: Project, *, everything: bool
) -> tuple[bool | frozenset[str], tuple[str, ...]]:
    """Return the packages to upgrade and the versions; in `lock --upgrade 3.12.10` the word is a version."""
    from packaging.utils import canonicalize_name

    known = project.versions()
    if everything and versions:
        raise ConfigError("--all and versions exclude each other.", remedy="Give one of the two.")
    versions = tuple(known) if everything else (*versions, *(word for word in upgrades if word in known))
    if not versions:
        raise ConfigError("No version is given.", remedy="Name one or more, or --all; `bundle versions` lists them.")
    if any(word == _EVERYTHING or word in known for word in upgrades):
        return True, versions
    return frozenset(canonicalize_name(name) for name in upgrades), versions


def _written(updates: Sequence[LockUpdate], *, table: bool) -> Result:
    from bundle.cli.failures import print_failures
    from bundle.make.resolve.locks import coverage_of

    locked = [_lock_value(one) for one in updates if one.lock is not None]
    failed = [
        {**names_of(one.status.config, one.status.platform), **one.error.as_json()}
        for one in updates
        if one.error is not None
    ]
    tables = coverage_of(updates)

    def text(console: Console) -> None:
        for one in locked:
            console.print(_summary(one))
        print_failures(console, failed)
        _print_changes(console, updates)
        _print_tables(console, tables if table else coverage_of([one for one in updates if not one.status.lock]))

    return Result(
        data={
            "locks": locked,
            "failed": failed,
            "coverage": [one.as_json() for one in tables],
            "lost": [loss.as_json() for one in updates for loss in one.lost],
        },
        text=text,
        exit_code=max((one.error.exit_code for one in updates if one.error is not None), default=0),
    )


def _checked(updates: Sequence[LockUpdate], left: Sequence[tuple[Config, Platform, Path]], *, table: bool) -> Result:
    from bundle.make.resolve.locks import coverage_of

    codes = {"fresh": 0, "stale": 1, "missing": 1, "unreadable": 2, "edited": 4}
    data: list[dict[str, Any]] = [
        {
            **names_of(one.status.config, one.status.platform),
            "state": one.status.state,
            "path": str(one.status.path),
            "problem": one.status.problem or (one.error.as_text() if one.error else None),
        }
        for one in updates
    ]
    data += [
        {
            "version": config.version,
            "platform": platform.key,
            "state": "left over",
            "path": str(path),
            "problem": _why_left(config, platform, path),
        }
        for config, platform, path in left
    ]
    exit_code = max(
        *(codes[one.status.state] for one in updates),
        *(one.error.exit_code for one in updates if one.error is not None),
        1 if left else 0,
        0,
    )
    lost = [loss for one in updates for loss in one.lost]
    tables = coverage_of(updates)

    def text(console: Console) -> None:
        others = [one for one in data if one["state"] != "fresh"]
        console.print(f"{len(data) - len(others)} of {len(data)} locks are fresh.")
        print_columns(console, [(title_of(one), one["platform"], one["state"]) for one in others])
        _print_changes(console, updates)
        if table:
            _print_tables(console, tables)
        for loss in lost:
            console.print(str(loss))
        for one in data:
            if one["problem"]:
                console.print(one["problem"])
            if one["state"] == "left over":
                console.print(f"To do: delete {shown_path(one['path'], Path.cwd())}")
        behind = sorted({one["version"] for one in others if one["state"] != "left over"})
        if behind:
            console.print(f"To do: bundle lock {' '.join(behind)}")

    return Result(
        data={
            "fresh": exit_code == 0,
            "locks": data,
            "coverage": [one.as_json() for one in tables],
            "lost": [loss.as_json() for loss in lost],
        },
        text=text,
        exit_code=exit_code,
    )


def _lock_value(update: LockUpdate) -> dict[str, Any]:
    lock = update.lock
    packages, skipped = (lock.packages, lock.skipped) if lock else ((), ())
    return {
        **names_of(update.status.config, update.status.platform),
        "path": str(update.status.path),
        "status": "written" if update.written else "unchanged",
        "bytes": lock.size if lock else 0,
        "changes": [asdict(change) for change in update.changes],
        "packages": [
            {"name": one.name, "version": one.version, "decision": one.kind, "reason": one.reason} for one in packages
        ],
        "skipped": [
            {"name": one.name, "kind": one.kind, "reason": one.reason, "requiredBy": list(one.required_by)}
            for one in skipped
        ],
        "lost": [loss.as_json() for loss in update.lost],
    }


def _summary(one: dict[str, Any]) -> str:
    from rich.filesize import decimal

    counts = Counter([package["decision"] for package in one["packages"]] + [left["kind"] for left in one["skipped"]])
    parts = [counted(counts[kind], kind) for kind in ("wheel", "source") if counts[kind]]
    parts += [f"{counts[kind]} {kind}" for kind in ("skipped", "missing") if counts[kind]]
    shown = ", ".join(parts) or "no packages"
    size = f", {decimal(one['bytes'])} to download" if one["bytes"] else ""
    place = shown_path(one["path"], Path.cwd())
    return f"{title_of(one)} for {one['platform']}: {shown}{size} ({one['status']}: {place})"


def _print_changes(console: Console, updates: Sequence[LockUpdate]) -> None:
    """Print each change once, with the platforms that it concerns where these are not all of the version."""
    versions = dict.fromkeys(one.status.config.title for one in updates)
    for version in versions:
        mine = [one for one in updates if one.status.config.title == version]
        platforms: dict[str, list[str]] = {}
        for one in mine:
            for change in one.changes:
                platforms.setdefault(str(change), []).append(one.status.platform.key)
        if platforms:
            console.print(f"\n{version} changes:")
        for text, keys in sorted(platforms.items(), key=lambda item: item[0][2:]):
            where = "" if len(keys) == len(mine) else f" on {', '.join(keys)}"
            console.print(f"  {text}{where}")


def _print_tables(console: Console, tables: Sequence[Coverage]) -> None:
    for table in tables:
        heading, rows, notes = table.table()
        if not rows:
            continue
        console.print(f"\n{table.version}")
        print_columns(console, rows, heading=heading, indent=2)
        for note in notes:
            console.print(f"  {note}")
    if tables:
        console.print()
