"""`bundle wheel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
    from rich.console import Console

    from bundle.model.locks.lock import Lock


def _builds(lock: Lock, package: str) -> bool:
    from packaging.utils import canonicalize_name

    found = lock.package(canonicalize_name(package))
    return found is not None and found.kind == "source"


@click.command()
@click.argument("version", shell_complete=complete_version)
@click.argument("package")
@platform_option
@interpreter_option
@offline_option
@pass_app
def wheel(
    app: App, version: str, package: str, platforms: tuple[str, ...], interpreters: tuple[str, ...], offline: bool
) -> Result:
    """Build the wheel of one package from source, as a build of the bundle does.

    The lock must take the package from source. A platform that is not named is this machine's own. In
    versions/VERSION/wheels/, the wheel serves builds on machines that cannot build it.
    """
    from bundle.artifacts.folder_source import with_folders
    from bundle.base.files import sha256_of
    from bundle.make.sources.builder import build_package

    project = app.open_project()
    context = app.context(project, offline=offline)
    built = []
    for selected, platform in select(app, project, (version,), platforms, default="own"):
        locks = {one.set_name: (one, current_lock(project, one, platform)) for one in selected.members}
        from_source = (one for one in locks.values() if _builds(one[1], package))
        config, lock = next(from_source, locks[""])
        lock = with_folders(lock, config, context)
        path = build_package(context, config, platform, lock, package, interpreters=interpreters)
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
