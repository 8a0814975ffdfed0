"""The lock beside the wheels in a bundle, from which pip and uv install them offline, with hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tomli_w
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.base.files import sha256_of
from bundle.model.locks.lock import Lock
from bundle.model.platforms import short_version


def carried_lock(lock: Lock, wheels: Mapping[str, Path]) -> str:
    """Return the text of a `pylock.toml` for the folder of the wheels (PEP 751).

    Args:
        wheels: wheel by package name, also of packages built from source.
    """
    packages = []
    for package in lock.packages:
        wheel = wheels[package.name]
        hashes = {"sha256": sha256_of(wheel)}
        place = PackageWheel(name=wheel.name, path=wheel.name, size=wheel.stat().st_size, hashes=hashes)
        packages.append(Package(name=canonicalize_name(package.name), version=Version(package.version), wheels=[place]))
    pylock = Pylock(
        lock_version=Version("1.0"),
        requires_python=SpecifierSet(f"=={short_version(lock.python)}.*"),
        created_by="bundle",
        packages=packages,
    )
    return tomli_w.dumps(pylock.to_dict())
