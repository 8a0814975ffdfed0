"""Brings what a version's lock names into the cache."""

from __future__ import annotations

from pathlib import Path

from bundle.artifacts.context import Context
from bundle.artifacts.registries.fetch import addresses_in, fetch
from bundle.model.config.config import Config
from bundle.model.locks.local_wheels import wheels_for
from bundle.model.locks.lock import Lock


def fetch_packages(context: Context, config: Config, lock: Lock, *, wheelhouse: Path | None = None) -> dict[str, Path]:
    """Bring what a lock names into the cache, and into a wheelhouse if one is named.

    Args:
        context: the world.
        config: the version.
        lock: what is wanted.
        wheelhouse: a folder that gets the files, too.

    Returns:
        Files by sha256.

    Raises:
        BundleError: as `bundle.make.fetch.fetch` does.
    """
    return fetch(
        lock,
        registries=context.registries(config),
        files=context.store.files,
        downloader=context.downloader,
        parallel=config.build.parallel_downloads,
        reporter=context.reporter,
        wheelhouse=wheelhouse,
        repositories=context.repositories,
        addresses=addresses_in(config.packages_for(lock.platform).dependencies),
        handed={wheel.filename: wheel.path for wheel in wheels_for(config, lock.platform)},
    )
