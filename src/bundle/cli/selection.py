"""The versions, platforms and locks that a command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bundle.base.errors import ConfigError
from bundle.cli.app import App, select_platforms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bundle.model.config.config import Config
    from bundle.model.config.project import Project
    from bundle.model.locks.lock import Lock
    from bundle.model.platforms import Platform


def select(
    app: App, project: Project, versions: Sequence[str], platforms: tuple[str, ...], *, default: Literal["own", "all"]
) -> list[tuple[Config, Platform]]:
    """Return each selected pair of version and platform.

    Args:
        platforms: the values of `--platform`; `all` stands for all platforms of each version.
        default: without `--platform`, this machine's own platform or all platforms of each version.

    Raises:
        ConfigError: a version or its configuration is wrong, or it is not built for a named platform.
    """
    if default == "all":
        platforms = platforms or ("all",)
    own = (app.machine.key,) if app.machine else ()
    selected = select_platforms(platforms, default=own)
    if not selected:
        raise ConfigError(
            "This machine is none of the known platforms, so there is no default.", remedy="Name one with --platform."
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


def with_sets(selected: Sequence[tuple[Config, Platform]]) -> list[tuple[Config, Platform]]:
    """Return each pair once for each lock: that of `packages.dependencies`, then those of `packages.sets`."""
    return [(member, platform) for config, platform in selected for member in config.members]


def names_of(config: Config, platform: Platform) -> dict[str, str]:
    """Return version and platform, and the set if it is one, as JSON values name them."""
    names = {"version": config.version, "platform": platform.key}
    return names | ({"set": config.set_name} if config.set_name else {})


def title_of(value: Mapping[str, Any]) -> str:
    """Return the version of a JSON value, with the set if it names one, for people."""
    return f"{value['version']} (set {value['set']})" if "set" in value else str(value["version"])


def current_lock(project: Project, config: Config, platform: Platform) -> Lock:
    """Return the lock of a version on a platform.

    Raises:
        ConfigError: it is missing, unreadable or stale.
        IntegrityError: it was edited.
    """
    from bundle.model.locks.status import status_of

    status = status_of(project.lock_path(config.version, platform.key, config.set_name), config, platform)
    lock = status.existing()
    if status.state == "stale":
        raise ConfigError(
            f"{status.path} is stale: the configuration has changed since.",
            remedy=f"Write it again: `bundle lock {config.version} --platform {platform.key}`.",
        )
    return lock
