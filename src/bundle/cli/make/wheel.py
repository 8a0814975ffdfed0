"""`bundle wheel`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import (
    App,
    Result,
    complete_version,
    interpreter_option,
    offline_option,
    pass_app,
    platform_option,
)
from bundle.cli.selection import current_lock, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from bundle.model.config.config import Config
    from bundle.model.config.project import Project
    from bundle.model.locks.lock import Lock
    from bundle.model.platforms import Platform


@click.command()
@click.argument("version", required=False, shell_complete=complete_version)
@click.argument("package", required=False)
@click.option("--all", "every", is_flag=True, help="Build those of every version.")
@platform_option
@click.option(
    "--hand-over",
    "handed",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Put native wheels there, for `bundle release --wheels DIR` on a machine of another platform.",
)
@interpreter_option
@offline_option
@pass_app
def wheel(
    app: App, /, version: str | None, package: str | None, every: bool, platforms: tuple[str, ...], **options: Any
) -> Result:
    """Build wheels from source, as a build of the bundle does.

    That of one PACKAGE, which the lock must take from source; without it, those of all such packages. A platform that
    is not named is this machine's own. In versions/VERSION/wheels/, a wheel serves builds on machines that cannot build
    it.
    """
    from bundle.artifacts.folder_source import with_folders
    from bundle.base.files import sha256_of
    from bundle.make.sources.builder import build_package

    project = app.open_project()
    named = _named(project, version, every=every)
    context = app.context(project, offline=options["offline"])
    built: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    codes = [0]
    selected = select(app, project, named, platforms, default="own")
    for config, platform in selected:
        for member, lock, name in _wanted(project, config, platform, package):
            names = {"version": config.version, "platform": platform.key, "package": name}
            try:
                path = build_package(
                    context,
                    member,
                    platform,
                    with_folders(lock, member, context),
                    name,
                    interpreters=options["interpreters"],
                    handed=options["handed"],
                )
            except BundleError as error:
                if package is not None:
                    raise
                app.warn_of_failure(name, error)
                failed.append({**names, **error.as_json()})
                codes.append(error.exit_code)
            else:
                built.append({**names, "path": str(path), "sha256": sha256_of(path), "size": path.stat().st_size})

    if handed := options["handed"]:
        _list_handed(handed, dict.fromkeys(platform.key for _, platform in selected), built)

    def text(console: Console) -> None:
        from bundle.cli.failures import print_failures

        for one in built:
            console.print(f"{one['path']}\nsha256 {one['sha256']}")
        print_failures(console, failed)
        if not built and not failed:
            console.print("No package comes from source.")

    return Result(data={"wheels": built, "failed": failed}, text=text, exit_code=max(codes))


def _list_handed(folder: Path, platforms: Iterable[str], built: list[dict[str, Any]]) -> None:
    """Write the list of a machine's wheels, so that a folder with none is told from one that was lost."""
    from bundle.base.files import pretty_json
    from bundle.base.staging import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    names = ("version", "platform", "package", "sha256")
    listed = [{name: one[name] for name in names} | {"wheel": Path(one["path"]).name} for one in built]
    for platform in platforms:
        of_platform = [one for one in listed if one["platform"] == platform]
        write_atomically(folder / f"{platform}.json", pretty_json({"wheels": of_platform}))


def _named(project: Project, version: str | None, *, every: bool) -> tuple[str, ...]:
    if (version is None) != every:
        raise ConfigError("Give either a version or --all.", remedy="`bundle versions` lists the versions.")
    return (version,) if version else tuple(project.versions())


def _wanted(
    project: Project, config: Config, platform: Platform, package: str | None
) -> Iterator[tuple[Config, Lock, str]]:
    """Yield the packages whose wheels are built, each with its set and the lock of that."""
    from packaging.utils import canonicalize_name

    locks = [(one, current_lock(project, one, platform)) for one in config.members]
    if package is None:
        for member, lock in locks:
            yield from ((member, lock, one.name) for one in lock.packages if one.kind == "source")
        return
    name = canonicalize_name(package)
    of_sets = ((member, lock) for member, lock in locks if (one := lock.package(name)) and one.kind == "source")
    member, lock = next(of_sets, locks[0])
    yield member, lock, package
