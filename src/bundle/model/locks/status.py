"""How a lock stands to the configuration that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, input_checksum
from bundle.model.locks.pylock import parse_lock, read_file
from bundle.model.platforms import Platform

State = Literal["fresh", "stale", "missing", "edited", "unreadable"]


@dataclass(frozen=True, kw_only=True)
class LockStatus:
    """The lock of one version on one platform, as it stands."""

    config: Config
    platform: Platform
    path: Path
    inputs: str
    """Checksum of everything that the lock depends on now; empty if there is no lock to be read."""
    state: State
    digest: str | None = None
    """sha256 of the lock file; None if it is missing."""
    lock: Lock | None = None
    """None if it is missing, edited or unreadable."""
    error: BundleError | None = None
    """Why there is no lock to be used."""

    @property
    def problem(self) -> str | None:
        """The fault of a lock file that exists and cannot be used."""
        return None if self.error is None or self.state == "missing" else self.error.what

    def existing(self) -> Lock:
        """Return the lock, fresh or stale.

        Raises:
            ConfigError: it is missing or unreadable.
            IntegrityError: it was edited.
        """
        if self.lock is None:
            raise self.error or ValueError("a lock without a value has an error")
        return self.lock


def status_of(path: Path, config: Config, platform: Platform) -> LockStatus:
    """Read a lock and compare it with its configuration; a fault of the lock is part of the answer.

    Raises:
        ConfigError: a local wheel of the version is no wheel by its name.
    """
    state: State
    inputs = ""
    lock: Lock | None = None
    error: BundleError | None = None
    content: bytes | None = None
    try:
        content = read_file(path)
        lock = parse_lock(content, path)
    except IntegrityError as problem:
        state, error = "edited", problem
    except ConfigError as problem:
        state, error = "missing" if content is None else "unreadable", problem
    else:
        inputs = input_checksum(config, platform.key, lock.names)
        held = (lock.version, lock.set_name, lock.platform, lock.inputs)
        state = "fresh" if held == (config.version, config.set_name, platform.key, inputs) else "stale"
    return LockStatus(
        config=config,
        platform=platform,
        path=path,
        inputs=inputs,
        state=state,
        digest=None if content is None else sha256(content).hexdigest(),
        lock=lock,
        error=error,
    )
