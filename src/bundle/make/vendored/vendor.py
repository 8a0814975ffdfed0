"""Brings the wheels of a package into its folder, for any platforms and Pythons, with a lock for each platform."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.context import Context
from bundle.artifacts.fetch_packages import fetch_packages
from bundle.artifacts.vendored.lock import (
    LockedWheel,
    VendoredLock,
    lock_name,
    locks_in,
    read_lock,
    write_lock,
)
from bundle.artifacts.vendored.package import PACKAGE_FILE, Package
from bundle.base.errors import BundleError, ConfigError, MissingPackageError, Problems
from bundle.base.files import locked, sha256_of
from bundle.base.report import Reporter
from bundle.base.staging import sweep_staging
from bundle.make.inputs.inputs import wheels_of
from bundle.make.inputs.loose_project import LooseProject, version_name
from bundle.make.resolve.coverage import PLAIN_WHEEL
from bundle.make.resolve.resolve import resolve
from bundle.make.sources.host import BuildHost
from bundle.model.config.config import Config
from bundle.model.config.json_source import Leaf
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage
from bundle.model.platforms import PLATFORMS, Floors, Platform

FLOORS = Floors()
"""The oldest systems for which wheels are vendored, those of a bundle."""

_REMEDY = "Ask for another version in package.json, or leave that platform or Python out."


@dataclass(frozen=True, kw_only=True)
class VendorRequest:
    """What is to be vendored for a package."""

    package: Package
    platforms: tuple[Platform, ...]
    """Those for which wheels are wanted; none: those that have a lock already."""
    pythons: tuple[str, ...]
    """X.Y; none: those of the locks."""
    upgrade: bool = False
    """Whether the newest versions are taken in place of those of the locks."""


@dataclass(frozen=True, kw_only=True)
class Vendored:
    """What has become of the folder of a package."""

    package: Package
    locks: tuple[VendoredLock, ...]
    added: tuple[str, ...]
    """Names of wheels that were not there, or were others."""
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    """Names of wheels in the folder that no lock names, and none named before."""
    changed: bool
    """Whether any lock was written, or wheel brought or removed."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Solved:
    """The resolution for one platform and one Python."""

    context: Context
    config: Config
    lock: Lock


@dataclass(kw_only=True)
class Vendoring:
    """The work on several packages.

    Args:
        context_of: returns the shared services for a project.
    """

    context_of: Callable[[Project], Context]
    environ: Mapping[str, str]
    reporter: Reporter
    locks: Path
    """A folder for lock files."""

    def vendor(self, request: VendorRequest) -> Vendored:
        """Vendor the wheels of one package.

        Everything is resolved before the first file changes. Wheels come before the locks that name them, and what no
        lock names any more goes last.

        Raises:
            ConfigError: there is neither a platform or Python asked for nor a lock; or the requirements contradict.
            MissingPackageError: there is no wheel, on some platforms or Pythons; the error lists all.
            NetworkError: a registry did not answer.
        """
        folder = request.package.wheels
        problems = Problems()
        remarks = request.package.check_eaten(problems)
        problems.raise_if_any("The requirements are not what was meant.")
        # Beside the cache, so that nothing is left in a folder that people keep in a repository.
        mark = sha256(str(request.package.folder.resolve()).encode()).hexdigest()[:16]
        with locked(
            self.locks / f"vendor-{mark}.lock", reporter=self.reporter, what=f"the wheels of {request.package.name}"
        ):
            return replace(self._vendor(request, folder), warnings=remarks)

    def _vendor(self, request: VendorRequest, folder: Path) -> Vendored:
        before = {key: self._former(folder, key) for key in locks_in(folder)}
        wanted = self._targets(request, before)
        present = _Present(folder)
        solved: dict[str, dict[str, _Solved]] = {}
        after = dict(before)
        problems = Problems()
        for platform, pythons in wanted.items():
            former = before.get(platform.key)
            if not request.upgrade and former is not None and self._is_fresh(former, request.package, pythons, present):
                continue
            solved[platform.key] = {}
            for python in pythons:
                with problems.collecting():
                    solved[platform.key][python] = self._resolve(request, platform, python, former)
        problems.raise_if_any(f"{request.package.name} cannot be vendored for all that was asked for.")
        added: list[str] = []
        for key, some in solved.items():
            wheels = {}
            for python, one in some.items():
                added += present.missing(_wheels(one.lock))
                with one.context.store.in_use():
                    fetch_packages(one.context, one.config, one.lock, wheelhouse=folder)
                wheels[python] = _wheels(one.lock)
            after[key] = VendoredLock(platform=key, pythons=wheels, requirements=request.package.texts)
        named = {one.filename for one in _all(after.values())}
        # A run that is killed here leaves locks that name missing wheels, which the next one brings: after the locks
        # it would leave wheels that no lock names.
        removed = present.remove(one for one in _all(before.values()) if one.filename not in named)
        written = [lock for key, lock in after.items() if before.get(key) != lock]
        for lock in written:
            write_lock(lock, folder)
        kept = tuple(sorted(one.name for one in folder.glob("*.whl") if one.name not in named))
        return Vendored(
            package=request.package,
            locks=tuple(after[key] for key in PLATFORMS if key in after),
            added=tuple(sorted(set(added))),
            removed=removed,
            kept=kept,
            changed=bool(written or added or removed),
        )

    def _former(self, folder: Path, key: str) -> VendoredLock:
        file = read_lock(folder, key)
        if file is None or not file.own:
            raise ConfigError(
                f"{folder / lock_name(key)} was not made by `bundle vendor`.",
                remedy="Move it away if it is needed, and run this again.",
            )
        return file.as_value(FLOORS)

    def _targets(self, request: VendorRequest, before: Mapping[str, VendoredLock]) -> dict[Platform, tuple[str, ...]]:
        known = {key: tuple(lock.pythons) for key, lock in before.items()}
        platforms = request.platforms or tuple(PLATFORMS[key] for key in known)
        targets = {one: request.pythons or known.get(one.key, ()) for one in platforms}
        lacking = ", ".join(one.key for one, pythons in targets.items() if not pythons)
        if lacking or not targets:
            raise ConfigError(
                f"{request.package.name} has no wheels for {lacking or 'any platform'} yet, which would tell the rest.",
                remedy="Name what is wanted: --platform KEY and --python X.Y, both as often as needed.",
            )
        return targets

    def _is_fresh(self, former: VendoredLock, package: Package, pythons: Collection[str], present: _Present) -> bool:
        return (
            former.requirements == package.texts
            and set(former.pythons) == set(pythons)
            and not present.missing(former.wheels)
        )

    def _resolve(self, request: VendorRequest, platform: Platform, python: str, former: VendoredLock | None) -> _Solved:
        package = request.package
        leaves = [Leaf(str(one), line) for one, line in zip(package.requirements, package.lines, strict=True)]
        inputs = wheels_of(leaves, package.folder / PACKAGE_FILE, name=package.name)
        project = LooseProject(inputs, version=version_name(f"{python}.0", inputs.name), output=package.wheels)
        context = self.context_of(project)
        config = project.load(project.versions()[0], self.environ).config
        previous = None if request.upgrade or former is None else _as_lock(former, python, config.version)
        host = BuildHost(context=context, config=config, platform=platform, logs=context.logs(package.name))
        try:
            with host, self.reporter.step(f"resolve {package.name} for Python {python} on {platform.key}"):
                lock = resolve(host, previous=previous).lock
        except MissingPackageError as error:
            raise MissingPackageError(
                f"{package.name}, Python {python} on {platform.key}: {error.what}",
                details=error.details,
                remedy=_REMEDY,
            ) from error
        except BundleError as error:
            error.remedy = (error.remedy or "").replace("packages.dependencies", "requirements.pipPackages")
            raise
        for one in lock.packages:
            if one.kind != "wheel" or one.file is None or not one.file.name.endswith(".whl"):
                raise MissingPackageError(
                    f"{package.name} asks for {one.name} as source, and wheels alone are vendored.",
                    remedy="Ask for a version that has wheels, or name a wheel's address.",
                )
        return _Solved(context=context, config=config, lock=lock)


class _Present:
    """The wheels that lie in a folder; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}
        sweep_staging(folder)

    def sha256(self, filename: str) -> str:
        if filename not in self._known:
            path = self._folder / filename
            self._known[filename] = sha256_of(path) if path.is_file() and not path.is_symlink() else ""
        return self._known[filename]

    def missing(self, wheels: Iterable[LockedWheel]) -> list[str]:
        return [one.filename for one in wheels if self.sha256(one.filename) != one.sha256]

    def remove(self, wheels: Iterable[LockedWheel]) -> tuple[str, ...]:
        """Remove wheels that are still those that a lock named; another file of the name is not ours."""
        gone = []
        for one in sorted(wheels):
            path = self._folder / one.filename
            if path.is_file() and not path.is_symlink() and sha256_of(path) == one.sha256:
                path.unlink()
                gone.append(one.filename)
        return tuple(gone)


def _all(locks: Iterable[VendoredLock]) -> set[LockedWheel]:
    return {wheel for lock in locks for wheel in lock.wheels}


def _wheels(lock: Lock) -> tuple[LockedWheel, ...]:
    return tuple(
        sorted(
            LockedWheel(
                name=one.name,
                version=one.version,
                filename=one.file.name,
                sha256=one.file.sha256,
                size=one.file.size,
            )
            for one in lock.packages
            if one.file is not None
        )
    )


def _as_lock(former: VendoredLock, python: str, version: str) -> Lock | None:
    """Return what was vendored for a Python, or for the nearest one, as the lock whose versions are kept."""
    wheels = former.pythons.get(python) or next(iter(former.pythons.values()), ())
    packages = (
        LockedPackage(
            name=one.name,
            version=one.version,
            kind="wheel",
            file=LockedFile(name=one.filename, sha256=one.sha256, size=one.size),
            reason=PLAIN_WHEEL,
            required_by=(),
        )
        for one in wheels
    )
    return Lock(version=version, platform=former.platform, python=f"{python}.0", inputs="", packages=tuple(packages))
