"""The versions that a lock's packages could have, and what holds each of them back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from packaging.version import Version

from bundle.artifacts.context import Context
from bundle.make.resolve.locks import resolution_of
from bundle.make.resolve.resolve import Resolution
from bundle.model.locks.lock import LockedPackage
from bundle.model.locks.status import LockStatus


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Something that keeps a bundle from the newest version of a package."""

    what: str
    """A requirement that the newest version does not satisfy, or why none of its files is taken."""
    by: str = ""
    """`name version` of the package that has the requirement, or the place in the configuration."""

    def __str__(self) -> str:
        return f"{self.by} requires {self.what}" if self.by else self.what


@dataclass(frozen=True, kw_only=True)
class Age:
    """A locked package beside newer versions of it."""

    name: str
    locked: str
    upgrade: str | None
    """The version that `lock --upgrade` would take; None if the package would be gone."""
    newest: str | None
    """The newest version with a file for the platform and its Python; None where no registry is asked."""
    held_back_by: tuple[Obstacle, ...] = ()
    """Why `upgrade` is not `newest`."""

    @property
    def is_outdated(self) -> bool:
        """Whether there is another version than the locked one to take, or a newer one to look at."""
        return self.upgrade != self.locked or self.newest not in (None, self.locked)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `bundle outdated --json` prints."""
        value = asdict(self)
        held = value.pop("held_back_by")
        return {**value, "heldBackBy": list(held), "outdated": self.is_outdated}


def ages_of(context: Context, status: LockStatus) -> list[Age]:
    """Return all packages of a lock beside newer versions; the lock stays as it is.

    Raises:
        ConfigError: there is no lock that can be read.
        IntegrityError: the lock was edited by hand.
        BundleError: as an upgrade of the lock does.
    """
    packages = status.existing().packages
    upgraded = resolution_of(context, status, upgrade=True)
    return [_age(package, upgraded) for package in packages]


def _age(package: LockedPackage, upgraded: Resolution) -> Age:
    name = package.name
    after = upgraded.lock.package(name)
    by_address = after is not None and (after.direct or after.vcs is not None or bool(after.folder))
    newest = None if by_address else _newest(upgraded, name, Version(package.version))
    held = newest is not None and after is not None and Version(after.version) < newest
    return Age(
        name=name,
        locked=package.version,
        upgrade=after.version if after else None,
        newest=str(newest) if newest is not None else None,
        held_back_by=_obstacles(upgraded, name, newest) if held and newest is not None else (),
    )


def _newest(upgraded: Resolution, name: str, locked: Version) -> Version | None:
    """Return the newest version with a usable file, or with one that only a rule or a floor stands against."""
    found = upgraded.index.candidates(name) or {}
    target = upgraded.index.policy.target
    usable = [
        version
        for version, one in found.items()
        if not one.release.yanked and (one.decision.kind != "missing" or target.offers(one.release))
    ]
    final = [version for version in usable if not version.is_prerelease]
    return max(usable if locked.is_prerelease or not final else final, default=None)


def _obstacles(upgraded: Resolution, name: str, newest: Version) -> tuple[Obstacle, ...]:
    index, versions = upgraded.index, upgraded.solution.versions
    candidate = (index.candidates(name) or {})[newest]
    found = [Obstacle(what=candidate.decision.reason)] if candidate.decision.kind == "missing" else []
    if override := index.policy.packages.overrides.get(name):
        return (*found, Obstacle(what=f"{name} {override}", by="packages.overrides"))
    found += [
        Obstacle(what=f"{name}{one.requirement.specifier}", by=one.who)
        for one in index.requirements_on(name, versions)
        if not one.requirement.specifier.contains(newest, prereleases=True)
    ]
    if found or candidate.decision.kind != "wheel":
        return tuple(found)
    # Nothing stands against the newest version itself, so that its own requirements do not fit the others.
    return tuple(
        Obstacle(what=f"{one.requirement}, and {versions[one.name]} is taken", by=one.who)
        for one in index.requirements_of(name, newest)
        if one.name in versions and not one.requirement.specifier.contains(versions[one.name], prereleases=True)
    )
