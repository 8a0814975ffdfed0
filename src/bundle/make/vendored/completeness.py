"""Whether the wheels of a package are those of its locks, and all that its requirements need; nothing is run."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from bundle.artifacts.vendored.lock import LockedWheel, LockFile, locks_in, read_lock
from bundle.artifacts.vendored.offers import Offer, Offers
from bundle.artifacts.vendored.package import Package
from bundle.artifacts.vendored.selection import Demand, select
from bundle.base.errors import ConfigError, IntegrityError, MissingPackageError, Problems
from bundle.base.files import sha256_of
from bundle.model.platforms import PLATFORMS, Floors

_REMEDY = "Run `bundle vendor` for the package again."


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was checked for one Python on one platform."""

    platform: str
    python: str
    wheels: tuple[LockedWheel, ...]
    complete: bool


def check_wheels(package: Package, problems: Problems) -> tuple[Checked, ...]:
    """Check the locks of a package, for every Python and platform that they are for.

    Args:
        problems: takes what is wrong.
    """
    package.check_eaten(problems)
    keys = locks_in(package.wheels)
    if not keys and package.requirements:
        problems.add(
            MissingPackageError(
                f"{package.name} has requirements, and no lock of wheels.",
                remedy=f"Run `bundle vendor {package.folder} --platform KEY --python X.Y`.",
            )
        )
    checked = []
    for key in keys:
        with problems.collecting():
            file = read_lock(package.wheels, key)
            if file is None or not file.pythons:
                raise ConfigError(f"{package.wheels} has a lock for {key} that `bundle vendor` did not make.")
            if file.requirements != package.texts:
                problems.add(
                    MissingPackageError(
                        f"{package.name} asks for other packages than its lock for {key} was made for.",
                        details=sorted({*package.texts} ^ {*file.requirements}),
                        remedy=_REMEDY,
                    )
                )
            _check_files(package, file, problems)
            checked += [_check(package, file, python, problems) for python in file.pythons]
    return tuple(checked)


def _check_files(package: Package, file: LockFile, problems: Problems) -> None:
    for one in file.wheels():
        path = package.wheels / one.filename
        if not path.is_file():
            problems.add(MissingPackageError(f"{package.name} lacks the wheel {one.filename}.", remedy=_REMEDY))
        elif sha256_of(path) != one.sha256:
            problems.add(
                IntegrityError(f"{package.name}: {one.filename} is not the wheel that {file.path.name} names.")
            )


def _check(package: Package, file: LockFile, python: str, problems: Problems) -> Checked:
    platform = PLATFORMS[file.platform]
    exact = f"{python}.0"
    wheels = file.select(platform, exact, Floors())
    offers = Offers()
    for one in wheels:
        path = package.wheels / one.filename
        if path.is_file():
            offers.add(Offer(name=one.name, version=Version(one.version), path=path, package=package.name))
    demands = [Demand(one, package.name) for one in package.requirements]
    unmet = select(demands, offers, platform.marker_environment(exact)).unmet
    if unmet:
        problems.add(
            MissingPackageError(
                f"The wheels of {package.name} for Python {python} on {platform.key} are not complete.",
                details=[str(demand) for some in unmet.values() for demand in some],
                remedy=_REMEDY,
            )
        )
    return Checked(platform=platform.key, python=python, wheels=wheels, complete=not unmet)
