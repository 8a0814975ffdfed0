"""Which versions on which platforms a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bundle.base.errors import ConfigError
from bundle.cli.app import App, select_platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bundle.model.config.config import Config
    from bundle.model.config.project import Project
    from bundle.model.platforms import Platform


def select(
    app: App, project: Project, versions: Sequence[str], platforms: tuple[str, ...], *, default: Literal["own", "all"]
) -> list[tuple[Config, Platform]]:
    """Return every version with every platform that is wanted of it.

    Args:
        app: knows this machine.
        project: has the versions.
        versions: their names.
        platforms: what `--platform` says; `all` stands for all platforms of each version.
        default: what no `--platform` stands for: this machine's own platform, or all of each version's.

    Raises:
        ConfigError: a version or its configuration is wrong, or a platform is named that it is not built for.
    """
    if default == "all":
        platforms = platforms or ("all",)
    own = (app.machine.key,) if app.machine else ()
    selected = select_platforms(platforms, default=own)
    if not selected:
        raise ConfigError(
            "This machine is none of the known platforms, so none can be assumed.", remedy="Name one with --platform."
        )
    found = []
    for version in versions:
        config = project.load(version, app.environ).config
        foreign = [platform.key for platform in selected if platform.key not in config.platforms]
        if foreign and "all" not in platforms:
            raise ConfigError(
                f"{version} is not built for {', '.join(foreign)}.",
                cause=f"Its `platforms` are {', '.join(config.platforms)}.",
                remedy="Name one of them with --platform, or add the platform to the version's configuration.",
            )
        found += [(config, platform) for platform in selected if platform.key in config.platforms]
    return found
