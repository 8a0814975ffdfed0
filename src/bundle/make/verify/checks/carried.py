"""The wheels that a bundle carries as files, by the locks beside them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.pylock import Pylock

from bundle.base.files import read_regular
from bundle.model.manifest import WHEELHOUSE, carried_lock_path


@dataclass(frozen=True, kw_only=True)
class CarriedWheel:
    """One wheel that a bundle carries."""

    name: str
    """Normalised."""
    version: str
    path: str
    """Relative to the bundle's root."""
    sha256: str


def carried_wheels(root: Path, set_name: str = "") -> tuple[CarriedWheel, ...]:
    """Read the lock of a bundle's wheels, or of those of one set (PEP 751).

    Raises:
        OSError, ValueError, RecursionError, PylockValidationError: there is none that can be read.
    """
    lock = Pylock.from_dict(tomllib.loads(read_regular(root / carried_lock_path(set_name)).decode()))
    return tuple(
        CarriedWheel(
            name=package.name,
            version=str(package.version or ""),
            path=f"{WHEELHOUSE}/{wheel.path or wheel.name}",
            sha256=wheel.hashes.get("sha256", ""),
        )
        for package in lock.packages
        for wheel in package.wheels or ()
    )
