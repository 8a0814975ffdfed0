"""The locks of a project: brought up to date, or only examined, and the change that this makes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.base.errors import BundleError, ConfigError
from bundle.base.text import did_you_mean
from bundle.make.resolve.coverage import (
    Cells,
    Change,
    Coverage,
    GapsError,
    Loss,
    broken_skips,
    cells_of,
    changes,
    losses,
)
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock, remedy, write_lock
from bundle.model.locks.status import LockStatus
from bundle.model.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from bundle.make.resolve.resolve import Resolution
    from bundle.make.sources.host import BuildHost


@dataclass(frozen=True, kw_only=True)
class LockUpdate:
    """The outcome of one lock's update."""

    status: LockStatus
    """The lock before."""
    lock: Lock | None
    """The lock now, or, where nothing was written, as it would be; None if that cannot be told."""
    cells: Cells | None
    """The decision on each package; None if that cannot be told."""
    lost: tuple[Loss, ...] = ()
    written: bool = False
    error: BundleError | None = None
    """Why there is no lock."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The difference between the lock before and the lock now."""
        return changes(self.status.lock, self.lock) if self.lock is not None else ()


def required_lock(host: BuildHost, status: LockStatus, *, locked: bool) -> Lock:
    """Return the lock that a build uses; writes it if there was none, or a stale one.

    Args:
        locked: whether to refuse instead of writing (`--locked`).

    Raises:
        ConfigError: the lock cannot be read; or `locked`, and it is missing or stale.
        IntegrityError: it was edited by hand.
        BundleError: as `resolve` does.
    """
    if status.state in ("fresh", "edited", "unreadable"):
        return status.existing()
    if locked:
        raise ConfigError(
            f"{status.path} is {status.state}, and --locked forbids writing it.",
            cause="The configuration has changed since the lock was written."
            if status.lock
            else "This version was not locked for this platform yet.",
            remedy=f"{remedy(status.path)} Then look at the change, and commit it.",
        )
    from bundle.make.resolve.resolve import resolve

    host.context.reporter.info(f"{status.path.name} is {status.state}: resolving")
    taken = status.config.taken
    if taken is not None:
        from bundle.make.resolve.taken import take

        lock = take(host, taken)
    else:
        lock = resolve(host, previous=status.lock).lock
    _warn(host.context, losses(status.lock, cells_of(lock)))
    for warning in broken_skips([lock]):
        host.context.reporter.warning(warning)
    write_lock(lock, status.path)
    return lock


def update_lock(context: Context, status: LockStatus, *, upgrade: bool | frozenset[str] = False) -> LockUpdate:
    """Bring one lock up to date.

    What the last lock covers and the new one does not is warned about.

    Args:
        upgrade: True to keep no locked version, or the names that are not kept.

    Returns:
        The outcome; the error of a lock that could not be made is part of it.
    """
    if status.problem:
        context.reporter.warning(f"{status.problem} It is written again.")
    if status.state == "fresh" and status.lock is not None and not upgrade:
        return LockUpdate(status=status, lock=status.lock, cells=cells_of(status.lock))
    update = _resolved(context, status, upgrade=upgrade)
    _warn(context, update.lost)
    if update.lock is None or update.lock == status.lock:
        return update
    write_lock(update.lock, status.path)
    return replace(update, written=True)


def examine_lock(context: Context, status: LockStatus) -> LockUpdate:
    """Return the update that a lock would get; a stale one is resolved, without being written, to find its losses."""
    if status.state != "stale":
        return LockUpdate(status=status, lock=status.lock, cells=cells_of(status.lock) if status.lock else None)
    return _resolved(context, status)


def _resolved(context: Context, status: LockStatus, *, upgrade: bool | frozenset[str] = False) -> LockUpdate:
    lock: Lock | None = None
    cells: Cells | None = None
    failure: BundleError | None = None
    try:
        lock = resolution_of(context, status, upgrade=upgrade).lock
        cells = cells_of(lock)
    except GapsError as error:
        failure, cells = error, error.cells
    except BundleError as error:
        failure = error
    return LockUpdate(status=status, lock=lock, cells=cells, lost=losses(status.lock, cells or {}), error=failure)


def resolution_of(context: Context, status: LockStatus, *, upgrade: bool | frozenset[str] = False) -> Resolution:
    """Resolve a version on a platform as an update of its lock does, and write nothing.

    Raises:
        BundleError: as `resolve` does.
    """
    from bundle.make.resolve.resolve import resolve
    from bundle.make.sources.host import BuildHost

    name = f"{status.config.version}-{status.platform.key}"
    host = BuildHost(context=context, config=status.config, platform=status.platform, logs=context.logs(name))
    with host, context.reporter.step(f"lock {status.config.title} {status.platform.key}"):
        return resolve(host, previous=status.lock, upgrade=upgrade)


def _warn(context: Context, lost: Sequence[Loss]) -> None:
    for loss in lost:
        context.reporter.warning(str(loss))


def require_known(context: Context, configs: Sequence[Config], names: Collection[str]) -> None:
    """Refuse names to be upgraded that neither a lock nor the configuration has.

    Args:
        names: normalised.

    Raises:
        ConfigError: there is such a name, and there are locks that could have had it.
    """
    known: set[str] = set()
    locked = False
    for config in configs:
        for path, key in context.project.locks(config.version).items():
            try:
                lock = read_lock(path)
            except BundleError:
                return  # It is written anew; the names that it had are unknown.
            locked = True
            known.update(cells_of(lock))
            asked = (text for one in config.members for text in one.packages_for(key).dependencies)
            known.update(canonicalize_name(Requirement(text).name) for text in asked)
    unknown = [name for name in sorted(names) if name not in known] if locked else []
    if unknown:
        versions = " or ".join(config.version for config in configs)
        raise ConfigError(
            f"--upgrade {unknown[0]}: no lock of {versions} has such a package.{did_you_mean(unknown[0], known)}",
            remedy="Name a package that `bundle lock` lists for the version, or none to upgrade all.",
        )


def coverage_of(updates: Sequence[LockUpdate]) -> list[Coverage]:
    """Return one table for each version and set."""
    columns: dict[str, dict[str, Cells | None]] = {}
    for one in updates:
        columns.setdefault(one.status.config.title, {})[one.status.platform.key] = one.cells
    return [Coverage(version=version, columns=found) for version, found in columns.items()]


def left_over(context: Context, config: Config) -> list[tuple[Platform, Path]]:
    """Return the locks for platforms that the version is no longer built for, and of sets that it no longer has."""
    needed = context.project.lock_paths(config)
    there = context.project.locks(config.version)
    return [(PLATFORMS[key], path) for path, key in there.items() if path not in needed]
