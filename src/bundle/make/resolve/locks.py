"""The locks of a version on its platforms, written anew or only looked at, and what that changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.base.errors import BundleError, ConfigError
from bundle.base.text import did_you_mean
from bundle.make.resolve.coverage import Cells, Coverage, Loss, cells_of, losses
from bundle.make.resolve.gaps import GapsError
from bundle.make.resolve.locking import resolve_lock
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock, write_lock
from bundle.model.locks.status import Status, status_of
from bundle.model.platforms import PLATFORMS, Platform


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one lock."""

    config: Config
    platform: Platform
    status: Status
    """How it stood before."""
    lock: Lock | None
    """The lock as it is now, or, where nothing was written, as it would be; None if that cannot be told."""
    cells: Cells | None
    """What becomes of each package; None if that cannot be told."""
    lost: tuple[Loss, ...] = ()
    written: bool = False
    error: BundleError | None = None
    """Why there is no lock."""


def renew(context: Context, config: Config, platform: Platform, *, upgrade: bool | frozenset[str] = False) -> Outcome:
    """Bring one lock up to date.

    What the last lock covers and the new one does not is warned about.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
        upgrade: True to keep no locked version, or the names that are not kept.

    Returns:
        the outcome; a lock that could not be made is not raised but told in it.
    """
    status = status_of(context.project.lock_path(config.version, platform.key), config, platform)
    if status.problem:
        context.reporter.warning(f"{status.problem} It is written anew.")
    if status.state == "fresh" and status.lock is not None and not upgrade:
        cells = cells_of(status.lock)
        return Outcome(config=config, platform=platform, status=status, lock=status.lock, cells=cells)
    outcome = _resolved(context, config, platform, status, upgrade)
    for loss in outcome.lost:
        context.reporter.warning(str(loss))
    if outcome.lock is None or outcome.lock == status.lock:
        return outcome
    write_lock(outcome.lock, status.path)
    return Outcome(
        config=config,
        platform=platform,
        status=status,
        lock=outcome.lock,
        cells=outcome.cells,
        lost=outcome.lost,
        written=True,
    )


def examine(context: Context, config: Config, platform: Platform) -> Outcome:
    """Tell how one lock stands; a stale one is resolved, without being written, to tell what it would lose.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
    """
    status = status_of(context.project.lock_path(config.version, platform.key), config, platform)
    if status.state == "stale":
        return _resolved(context, config, platform, status, upgrade=False)
    cells = None if status.lock is None else cells_of(status.lock)
    return Outcome(config=config, platform=platform, status=status, lock=status.lock, cells=cells)


def _resolved(
    context: Context, config: Config, platform: Platform, status: Status, upgrade: bool | frozenset[str]
) -> Outcome:
    lock: Lock | None = None
    cells: Cells | None = None
    failure: BundleError | None = None
    try:
        with context.reporter.step(f"lock {config.version} {platform.key}"):
            lock = resolve_lock(context, config, platform, previous=status.lock, upgrade=upgrade)
            cells = cells_of(lock)
    except GapsError as error:
        failure, cells = error, error.cells
    except BundleError as error:
        failure = error
    return Outcome(
        config=config,
        platform=platform,
        status=status,
        lock=lock,
        cells=cells,
        lost=losses(status.lock, cells or {}),
        error=failure,
    )


def require_known(context: Context, configs: Sequence[Config], names: Collection[str]) -> None:
    """Refuse names that are to be upgraded, and that neither a lock nor the configuration has.

    Args:
        context: the world.
        configs: the versions.
        names: normalised.

    Raises:
        ConfigError: there is such a name, and there are locks that could have had it.
    """
    known: set[str] = set()
    locked = False
    for config in configs:
        for key in PLATFORMS:
            path = context.project.lock_path(config.version, key)
            if not path.exists():
                continue
            try:
                lock = read_lock(path)
            except BundleError:
                return  # It is written anew, and nobody can tell what it had.
            locked = True
            known.update(one.name for one in lock.packages)
            known.update(one.name for one in lock.skipped)
            known.update(canonicalize_name(Requirement(text).name) for text in config.packages_for(key).dependencies)
    unknown = [name for name in sorted(names) if name not in known] if locked else []
    if unknown:
        versions = " or ".join(config.version for config in configs)
        raise ConfigError(
            f"--upgrade {unknown[0]}: no lock of {versions} has such a package.{did_you_mean(unknown[0], known)}",
            remedy="Name a package that `bundle lock` lists for the version, or none to upgrade all.",
        )


def coverage_of(outcomes: Sequence[Outcome]) -> list[Coverage]:
    """Return one table for each version.

    Args:
        outcomes: of any versions and platforms.
    """
    columns: dict[str, dict[str, Cells | None]] = {}
    for one in outcomes:
        columns.setdefault(one.config.version, {})[one.platform.key] = one.cells
    return [Coverage(version=version, columns=found) for version, found in columns.items()]


def left_over(context: Context, config: Config) -> list[tuple[Platform, Path]]:
    """Return the locks for platforms that the version is not built for any more.

    Args:
        context: the world.
        config: the version.
    """
    places = ((one, context.project.lock_path(config.version, one.key)) for one in PLATFORMS.values())
    return [(one, path) for one, path in places if one.key not in config.platforms and path.exists()]
