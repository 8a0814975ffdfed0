"""`bundle fetch` and `bundle wheel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option
from bundle.cli.lock import offline_option
from bundle.cli.selection import select
from bundle.model.locks.pylock import read_lock

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.context import Context
    from bundle.model.config.config import Config
    from bundle.model.locks.lock import Lock
    from bundle.model.platforms import Platform


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, required=True, metavar="VERSION...")
@platform_option
@offline_option
@pass_app
def fetch(app: App, versions: tuple[str, ...], platforms: tuple[str, ...], offline: bool) -> Result:
    """Fill the wheelhouse with what the locks name, so that pip and uv can install from them.

    A platform that is not named is this machine's own.
    """
    from bundle.artifacts.fetch_packages import fetch_packages
    from bundle.model.config.project import Project

    project = Project(app.project)
    context = app.context(project, offline=offline)
    fetched: list[dict[str, Any]] = []
    for config, platform in select(app, project, versions, platforms, default="own"):
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
    """Build the wheel of one package from source, as a build of the bundle does, and tell where it is.

    The package must be one that the lock takes from source. A platform that is not named is this machine's own.
    Put into versions/VERSION/wheels/, the wheel serves builds on machines that cannot make it.
    """
    from bundle.base.files import sha256_of
    from bundle.make.sources.builder import build_package
    from bundle.model.config.project import Project

    project = Project(app.project)
    context = app.context(project, offline=offline)
    built = []
    for config, platform in select(app, project, (version,), platforms, default="own"):
        path = build_package(context, config, platform, _usable(context, config, platform), package)
        built.append(
            {
                "version": version,
                "platform": platform.key,
                "package": package,
                "path": str(path),
                "sha256": sha256_of(path),
                "size": path.stat().st_size,
            }
        )

    def text(console: Console) -> None:
        for one in built:
            console.print(f"{one['path']}\nsha256 {one['sha256']}")

    return Result(data={"wheels": built}, text=text)


def _usable(context: Context, config: Config, platform: Platform) -> Lock:
    from bundle.model.locks.status import status_of

    status = status_of(context.project.lock_path(config.version, platform.key), config, platform)
    if status.lock is None:
        return read_lock(status.path)  # It raises what is wrong.
    if status.state == "stale":
        raise ConfigError(
            f"{status.path} is stale: the configuration has changed since.",
            remedy=f"Write it anew: `bundle lock {config.version} --platform {platform.key}`.",
        )
    return status.lock
