"""What the packages of one folder ask for together, out of the wheels that all of them carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.version import Version

from bundle.artifacts.vendored.lock import LockFile, locks_in, read_lock
from bundle.artifacts.vendored.offers import Offer, Offers
from bundle.artifacts.vendored.package import PACKAGE_FILE, Package, read_package
from bundle.artifacts.vendored.selection import Demand, select
from bundle.base.errors import BundleError, Problems
from bundle.model.platforms import PLATFORMS, Floors

_MOST = 1000
"""Packages of a folder that are looked at."""


def disagreements(package: Package) -> Iterator[str]:
    """Yield, once each, what a package and those beside it want of which no wheel of theirs satisfies all.

    Packages that cannot be read, or have no wheels for the same platform and Python, are left out.
    """
    beside = [package, *_beside(package.folder)]
    told: set[str] = set()
    for key in locks_in(package.wheels):
        locks = [(one, lock) for one in beside if (lock := _lock(one, key)) is not None]
        for python in locks[0][1].pythons if locks and locks[0][0] is package else ():
            with suppress(BundleError):
                for demands in _unmet([(one, lock) for one, lock in locks if python in lock.pythons], python):
                    names = {demand.package for demand in demands}
                    if package.name in names and len(names) > 1 and demands[0].name not in told:
                        told.add(demands[0].name)
                        others = ", ".join(sorted(names - {package.name}))
                        yield (
                            f"{package.name} cannot be provisioned together with {others}, "
                            f"on {key} with Python {python}: {'; '.join(map(str, demands))}"
                        )


def _beside(folder: Path) -> Iterator[Package]:
    for path in sorted(folder.parent.glob(f"*/{PACKAGE_FILE}"))[:_MOST]:
        if path.parent.resolve() != folder.resolve():
            with suppress(BundleError, OSError):
                if (found := read_package(path.parent, Problems())) is not None:
                    yield found


def _lock(package: Package, key: str) -> LockFile | None:
    try:
        return read_lock(package.wheels, key)
    except BundleError:
        return None


def _unmet(locks: Sequence[tuple[Package, LockFile]], python: str) -> Iterator[Sequence[Demand]]:
    offers, platform = Offers(), PLATFORMS[locks[0][1].platform]
    for package, lock in locks:
        for one in lock.select(platform, f"{python}.0", Floors()):
            path = package.wheels / one.filename
            if path.is_file():
                offers.add(Offer(name=one.name, version=Version(one.version), path=path, package=package.name))
    demands = [Demand(one, package.name) for package, _ in locks for one in package.requirements]
    yield from select(demands, offers, platform.marker_environment(f"{python}.0")).unmet.values()
