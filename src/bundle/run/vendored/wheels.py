"""The wheels that packages carry, and those of them that fit an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from bundle.artifacts.vendored.lock import LockFile, locks_in, read_lock
from bundle.artifacts.vendored.offers import Offer, Offers
from bundle.artifacts.vendored.package import Package
from bundle.base.errors import ConfigError, IntegrityError, MissingPackageError, Problems
from bundle.base.files import sha256_of
from bundle.model.wheeltags import best_rank, parse_wheel_name, tag_ranks
from bundle.run.vendored.target import Installed, Target, stamp_of

_MOST_WHEELS = 20_000


@dataclass(frozen=True, kw_only=True)
class Wheelhouse:
    """The wheels of all packages, seen from one environment."""

    offers: Offers = field(default_factory=Offers)
    """Those that fit, and what is installed."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """By distribution, wheels without a lock that fit other Pythons or platforms."""
    carriers: set[str] = field(default_factory=set)
    """Names of the packages that have wheels."""
    locked: set[str] = field(default_factory=set)
    """Names of those whose wheels a lock describes."""
    unfit: set[str] = field(default_factory=set)
    """Names of those whose wheels do not serve this environment, each a problem of its own."""


def look(packages: Sequence[Package], target: Target, problems: Problems) -> Wheelhouse:
    """Find the wheels of all packages.

    Args:
        problems: takes what is wrong with wheels and locks.
    """
    house = Wheelhouse()
    for package in packages:
        with problems.collecting():
            _add(package, target, house, problems)
    for installed in target.installed.values():
        house.offers.add(installed)
    _refuse_twins(house.offers.by_name, problems)
    return house


def _add(package: Package, target: Target, house: Wheelhouse, problems: Problems) -> None:
    lock = read_lock(package.wheels, target.platform.key)
    others = locks_in(package.wheels)
    names = _names(package.wheels)
    if lock is None and not names:
        return
    house.carriers.add(package.name)
    if lock is not None:
        house.locked.add(package.name)
        _add_locked(package, lock, target, house, problems)
        return
    if others:
        house.unfit.add(package.name)
        raise MissingPackageError(
            f"{package.name} carries wheels for {' and '.join(others)}, and none for {target.platform.key}.",
            remedy=_vendor(package, target),
        )
    ranks = tag_ranks(target.platform, target.python, target.floors)
    for filename in names:
        try:
            name, version, build, _ = parse_wheel_name(filename)
        except InvalidWheelFilename as error:
            problems.add(
                ConfigError(
                    f"{package.name}: {filename[:120]!r} is not the name of a wheel.",
                    cause=str(error)[:200],
                    remedy="Give it the name that it had on its index, NAME-VERSION-PYTHON-ABI-PLATFORM.whl.",
                )
            )
            continue
        rank = best_rank(filename, ranks)
        if rank is None:
            house.others.setdefault(name, []).append(filename)
            continue
        order = (*(build[:1] or (-1,)), -rank)
        path = package.wheels / filename
        house.offers.add(Offer(name=name, version=version, path=path, order=order, package=package.name))


def _add_locked(package: Package, lock: LockFile, target: Target, house: Wheelhouse, problems: Problems) -> None:
    lacking = []
    try:
        selected = lock.select(target.platform, target.python, target.floors)
    except ConfigError:
        house.unfit.add(package.name)
        raise
    for one in selected:
        path = package.wheels / one.filename
        if not path.is_file():
            lacking.append(one.filename)
            continue
        offer = Offer(name=one.name, version=Version(one.version), path=path, sha256=one.sha256, package=package.name)
        with problems.collecting():
            checked_hash(offer, target.record.get(one.name))
            house.offers.add(offer)
    if lacking:
        house.unfit.add(package.name)
        problems.add(
            MissingPackageError(
                f"{package.name} lacks {len(lacking)} of the wheels that {lock.path.name} names.",
                details=lacking,
                cause="The folder was copied in part, or wheels were removed by hand.",
                remedy=_vendor(package, target),
            )
        )


def _vendor(package: Package, target: Target) -> str:
    short = ".".join(target.python.split(".")[:2])
    return (
        f"Run `bundle vendor {package.folder} --platform {target.platform.key} --python {short}` where there is a "
        "network, and copy the folder again."
    )


def _names(folder: Path) -> list[str]:
    try:
        names = sorted(one.name for one in folder.iterdir() if one.suffix == ".whl" and one.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}.", remedy="Make it a readable folder.") from error
    if len(names) > _MOST_WHEELS:
        raise ConfigError(f"{folder} holds {len(names)} wheels; {_MOST_WHEELS} are read.", remedy="Remove some.")
    return names


def _refuse_twins(by_name: Mapping[str, Sequence[Offer]], problems: Problems) -> None:
    """Refuse locked wheels of one name with different bytes: one of two packages would get what it has not locked."""
    for offers in by_name.values():
        first: dict[str, Offer] = {}
        for one in offers:
            if one.sha256 is not None:
                other = first.setdefault(one.path.name, one)
                if other.sha256 != one.sha256:
                    problems.add(
                        ConfigError(
                            f"{other.package} and {one.package} carry different files under the name {one.path.name}.",
                            cause="One of them was built again, or comes from another index.",
                            remedy="Vendor both again with --upgrade, or copy the wheel of one to the other and lock "
                            "again.",
                        )
                    )


def checked_hash(offer: Offer, known: Installed | None) -> str:
    """Return the sha256 of a wheel; one that has not changed since its hash was checked is not read again.

    Args:
        known: what an earlier run found.

    Raises:
        IntegrityError: it is not the hash of the lock.
    """
    if known is not None and known.stamp == stamp_of(offer.path) and offer.sha256 in (None, known.sha256):
        return known.sha256
    found = sha256_of(offer.path)
    if offer.sha256 is not None and found != offer.sha256:
        raise IntegrityError(
            f"{offer.package}: {offer.path.name} is not the wheel that its lock names: its sha256 is {found[:16]}…, in "
            f"the lock {offer.sha256[:16]}….",
            cause="The file was changed, or damaged while it was copied.",
            remedy="Do not use it: copy the package again, or run `bundle vendor` where there is a network.",
        )
    return found
