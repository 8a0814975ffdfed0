"""Brings the files of a version's lock into the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bundle.artifacts.context import Context
from bundle.artifacts.registries.fetch import addresses_in, fetch, nothing
from bundle.model.config.config import Config
from bundle.model.locks.local_wheels import wheels_for
from bundle.model.locks.lock import Lock


def fetch_packages(
    context: Context,
    config: Config,
    lock: Lock,
    *,
    wheelhouse: Path | None = None,
    arrived: Callable[[str, Path], object] = nothing,
) -> dict[str, Path]:
    """Bring the files of a lock into the cache, and into a wheelhouse if one is named.

    Args:
        arrived: see `fetch`.

    Returns:
        Files by sha256.

    Raises:
        BundleError: as `fetch` does.
    """
    sources = replace(
        context.file_sources(config),
        addresses=addresses_in(config.packages_for(lock.platform).dependencies),
        local={wheel.filename: wheel.path for wheel in wheels_for(config, lock.platform)},
    )
    parallel = config.build.parallel_downloads
    return fetch(lock, sources, parallel=parallel, reporter=context.reporter, wheelhouse=wheelhouse, arrived=arrived)
