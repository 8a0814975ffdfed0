"""How a lock stands to the configuration that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bundle.base.errors import ConfigError, IntegrityError
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, is_fresh
from bundle.model.locks.pylock import read_lock
from bundle.model.platforms import Platform

State = Literal["fresh", "stale", "missing", "edited", "unreadable"]


@dataclass(frozen=True)
class Status:
    """How one lock stands."""

    state: State
    path: Path
    lock: Lock | None
    """None if it is missing, edited or unreadable."""
    problem: str | None = None
    """Why it cannot be used, if so."""


def status_of(path: Path, config: Config, platform: Platform) -> Status:
    """Return how a lock stands, whatever is wrong with it.

    Args:
        path: the lock file.
    """
    if not path.exists():
        return Status("missing", path, None)
    try:
        lock = read_lock(path)
    except IntegrityError as error:
        return Status("edited", path, None, error.what)
    except ConfigError as error:
        return Status("unreadable", path, None, error.what)
    return Status("fresh" if is_fresh(lock, config, platform.key) else "stale", path, lock)
