"""`bundle lock`, `bundle fetch` and `bundle wheel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option, select_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from bundle.make.context import Context
    from bundle.model.config import Config
    from bundle.model.lock import Lock
    from bundle.model.platforms import Platform
    from bundle.model.project import Project

_EVERYTHING = "*"
"""What `--upgrade` without a name stands for."""

offline_option = click.option("--offline", is_flag=True, help="Use the cache alone, never the network.")


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="VERSION...")
@platform_option
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a lock is missing or stale, 4 if one was edited.")
@click.option(
    "--upgrade",
    "upgrades",
    multiple=True,
    is_flag=False,
    flag_value=_EVERYTHING,
    metavar="[PACKAGE]",
    help="Take the newest version of a package, or of everything, in place of the locked one.",
)
@offline_option
@pass_app
def lock(
    app: App,
    versions: tuple[str, ...],
    platforms: tuple[str, ...],
    check: bool,
    upgrades: tuple[str, ...],
    offline: bool,
) -> Result:
    """Write or check locks: what is installed on a platform, file by file, and why.

    A platform that is not named is this machine's own. Versions that a lock holds are kept where they still fit.
    """
    from bundle.model.project import Project

    project = Project(app.project)
    names, wanted = _upgrades(upgrades, versions, project)
    context = app.context(project, offline=offline)
    orders = list(_orders(app, project, wanted, platforms))
    if check:
        return _checked(context, orders)
    locked: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    codes = [0]
    for config, platform in orders:
        try:
            locked.append(_locked(context, config, platform, names))
        except BundleError as error:
            if len(orders) == 1:
                raise
            context.reporter.warning(f"{config.version} for {platform.key} failed\n{error.as_text()}")
            failed.append({"version": config.version, "platform": platform.key, **error.as_json()})
            codes.append(error.exit_code)

    def text(console: Console) -> None:
        for one in locked:
            _print_lock(console, one)
        for one in failed:
            console.print(f"{one['version']} for {one['platform']}: failed: {one['what']}")

    return Result(data={"locks": locked, "failed": failed}, text=text, exit_code=max(codes))


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, required=True, metavar="VERSION...")
@platform_option
@offline_option
@pass_app
def fetch(app: App, versions: tuple[str, ...], platforms: tuple[str, ...], offline: bool) -> Result:
    """Fill the wheelhouse with what the locks name, so that pip and uv can install from them.

    A platform that is not named is this machine's own.
    """
    from bundle.make.fetch import fetch_packages
    from bundle.model.project import Project

    project = Project(app.project)
    context = app.context(project, offline=offline)
    fetched: list[dict[str, Any]] = []
    for config, platform in _orders(app, project, versions, platforms):
        lock = _usable(context, config, platform)
        with context.reporter.step(f"fetch {config.version} {platform.key}"):
            fetch_packages(context, config, lock, wheelhouse=project.wheelhouse)
        fetched.append(
            {
                "version": config.version,
                "platform": platform.key,
                "files": [{"name": one.name, "sha256": one.sha256, "size": one.size} for one in lock.files],
            }
        )

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for one in fetched:
            size = decimal(sum(file["size"] for file in one["files"]))
            console.print(f"{one['version']} for {one['platform']}: {len(one['files'])} files, {size}")
        console.print(f"They are in {project.wheelhouse}.")

    return Result(data={"wheelhouse": str(project.wheelhouse), "fetched": fetched}, text=text)


@click.command()
@click.argument("version", shell_complete=complete_version)
@click.argument("package")
@platform_option
@offline_option
@pass_app
def wheel(app: App, version: str, package: str, platforms: tuple[str, ...], offline: bool) -> Result:
    """Build the wheel of one package from source, as a build of the bundle does.

    The package must be one that the lock takes from source. A platform that is not named is this machine's own.
    """
    from bundle.make.building import build_package
    from bundle.model.project import Project

    project = Project(app.project)
    context = app.context(project, offline=offline)
    built = []
    for config, platform in _orders(app, project, (version,), platforms):
        path = build_package(context, config, platform, _usable(context, config, platform), package)
        built.append({"version": version, "platform": platform.key, "package": package, "path": str(path)})

    def text(console: Console) -> None:
        for one in built:
            console.print(one["path"])

    return Result(data={"wheels": built}, text=text)


def _upgrades(
    upgrades: tuple[str, ...], versions: tuple[str, ...], project: Project
) -> tuple[bool | frozenset[str], tuple[str, ...]]:
    """Return what is upgraded, and the versions: in `lock --upgrade 3.12.10`, the word behind the option is one."""
    from packaging.utils import canonicalize_name

    known = project.versions()
    versions = (*versions, *(word for word in upgrades if word in known))
    if not versions:
        raise ConfigError("No version is named.", remedy="Name one or more; `bundle versions` lists them.")
    if any(word == _EVERYTHING or word in known for word in upgrades):
        return True, versions
    return frozenset(canonicalize_name(name) for name in upgrades), versions


def _orders(
    app: App, project: Project, versions: tuple[str, ...], platforms: tuple[str, ...]
) -> Iterator[tuple[Config, Platform]]:
    own = (app.machine.key,) if app.machine else ()
    selected = select_platforms(platforms, default=own)
    if not selected:
        raise ConfigError(
            "This machine is none of the known platforms, so none can be assumed.", remedy="Name one with --platform."
        )
    for version in versions:
        config = project.load(version, app.environ).config
        foreign = [platform.key for platform in selected if platform.key not in config.platforms]
        if foreign and "all" not in platforms:
            raise ConfigError(
                f"{version} is not built for {', '.join(foreign)}.",
                cause=f"Its `platforms` are {', '.join(config.platforms)}.",
                remedy="Name one of them with --platform, or add the platform to the version's configuration.",
            )
        for platform in selected:
            if platform.key in config.platforms:
                yield config, platform


def _checked(context: Context, orders: list[tuple[Config, Platform]]) -> Result:
    from bundle.make.locking import status_of

    found = [(config, platform, status_of(context, config, platform)) for config, platform in orders]
    data = [
        {
            "version": config.version,
            "platform": platform.key,
            "state": status.state,
            "path": str(status.path),
            "problem": status.problem,
        }
        for config, platform, status in found
    ]
    codes = {"fresh": 0, "stale": 1, "missing": 1, "unreadable": 2, "edited": 4}

    def text(console: Console) -> None:
        from bundle.cli.tables import print_columns

        print_columns(console, [(one["version"] or "", one["platform"] or "", one["state"] or "") for one in data])
        for one in data:
            if one["problem"]:
                console.print(one["problem"])
            if one["state"] != "fresh":
                console.print(f"To do: bundle lock {one['version']} --platform {one['platform']}")

    exit_code = max(codes[status.state] for _, _, status in found)
    return Result(data={"fresh": exit_code == 0, "locks": data}, text=text, exit_code=exit_code)


def _locked(context: Context, config: Config, platform: Platform, upgrade: bool | frozenset[str]) -> dict[str, Any]:
    from bundle.make.locking import resolve_lock, status_of

    status = status_of(context, config, platform)
    lock, written = status.lock, False
    if status.problem:
        context.reporter.warning(f"{status.problem} It is written anew.")
    if lock is None or status.state != "fresh" or upgrade:
        with context.reporter.step(f"lock {config.version} {platform.key}"):
            new = resolve_lock(context, config, platform, previous=lock, upgrade=upgrade)
        written = new != lock
        lock = new
        if written:
            lock.write(status.path)
    return {
        "version": config.version,
        "platform": platform.key,
        "path": str(status.path),
        "status": "written" if written else "unchanged",
        "packages": [
            {"name": one.name, "version": one.version, "decision": one.kind, "reason": one.reason}
            for one in lock.packages
        ],
        "skipped": [
            {"name": one.name, "kind": one.kind, "reason": one.reason, "requiredBy": list(one.required_by)}
            for one in lock.skipped
        ],
    }


def _usable(context: Context, config: Config, platform: Platform) -> Lock:
    from bundle.make.locking import status_of
    from bundle.model.lock import Lock

    status = status_of(context, config, platform)
    if status.lock is None:
        return Lock.read(status.path)  # It raises what is wrong.
    if status.state == "stale":
        raise ConfigError(
            f"{status.path} is stale: the configuration has changed since.",
            remedy=f"Write it anew: `bundle lock {config.version} --platform {platform.key}`.",
        )
    return status.lock


def _print_lock(console: Console, one: dict[str, Any]) -> None:
    from bundle.cli.tables import print_columns

    packages, skipped = one["packages"], one["skipped"]
    counts = {
        "wheels": sum(package["decision"] == "wheel" for package in packages),
        "sources": sum(package["decision"] == "source" for package in packages),
        "skipped": sum(left["kind"] == "skipped" for left in skipped),
        "missing": sum(left["kind"] == "missing" for left in skipped),
    }
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no packages"
    console.print(f"{one['version']} for {one['platform']}: {shown} ({one['status']}: {one['path']})")
    rows = [
        *((f"{p['name']} {p['version']}", "source", p["reason"]) for p in packages if p["decision"] == "source"),
        *((left["name"], left["kind"], left["reason"]) for left in skipped),
    ]
    print_columns(console, rows, indent=2)
