"""The lock of one version on one platform: packages, their files, and the reason of each (PEP 751)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundle.base.files import canonical_json
from bundle.base.http.urls import redact
from bundle.model.config.config import BuildWheel, Config
from bundle.model.locks.local_wheels import wheels_for
from bundle.model.own_folder import shape
from bundle.model.platforms import PLATFORMS

FORMAT = 2
"""Grows when the meaning of `[tool.bundle]` or of the same inputs changes; locks of another format are stale."""

T = TypeVar("T")

ROOT = ""
"""Stands for the configuration among the packages that require another."""


@dataclass(frozen=True, kw_only=True)
class LockedFile:
    """A file by its name and bytes, wherever it is found."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class BuildRequirement:
    """A wheel in the environment that a source is built in."""

    name: str
    version: str
    file: LockedFile


@dataclass(frozen=True, kw_only=True)
class Vcs:
    """A commit of a git repository."""

    url: str
    """Without credentials."""
    requested: str | None
    """The branch, tag or commit that was asked for; None: the repository's default branch."""
    commit: str
    subdirectory: str | None = None


@dataclass(frozen=True, kw_only=True)
class LockedPackage:
    """A package of the bundle."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    kind: Literal["wheel", "source"]
    """Installed from a wheel of the registry, or built from source."""
    file: LockedFile | None
    """None for a commit of a repository, and for a folder."""
    reason: str
    """The reason for this decision."""
    required_by: tuple[str, ...]
    """Names of packages; `ROOT` stands for the configuration."""
    dependencies: tuple[str, ...] = ()
    vcs: Vcs | None = None
    folder: str = ""
    """For a folder of the user's own its path relative to the lock, which does not say what is in it."""
    direct: bool = False
    """Whether the requirement names the file's URL, which no registry knows."""
    build: tuple[BuildRequirement, ...] = ()
    """For a source, all packages of its build environment."""
    available: tuple[str, ...] = ()
    """For a source, tags of the wheels that do exist: if none is for any platform, the package has native code."""

    @property
    def key(self) -> str:
        """The file's sha256, or the commit."""
        if self.file is not None:
            return self.file.sha256
        if self.folder:
            return ""
        if self.vcs is None:
            raise ValueError(f"{self.name} has neither file nor commit")
        return self.vcs.commit


@dataclass(frozen=True, kw_only=True)
class SkippedPackage:
    """A package that is required and left out."""

    name: str
    reason: str
    required_by: tuple[str, ...]
    kind: Literal["skipped", "missing"]
    """Left out by rule, or for lack of a usable file."""
    version: str | None = None
    """The version that would have been taken, if that is known."""
    available: tuple[str, ...] = ()
    """Tags of the wheels that do exist."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The packages of one version, or of one of its sets, on one platform."""

    version: str
    platform: str
    python: str
    inputs: str
    """sha256 of the inputs of the resolution; see `input_checksum`."""
    packages: tuple[LockedPackage, ...]
    skipped: tuple[SkippedPackage, ...] = ()
    set_name: str = ""
    """The set of packages (`packages.sets`); empty for `packages.dependencies`."""

    @property
    def title(self) -> str:
        """The version, and the set if it is one, for messages."""
        return f"{self.version} (set {self.set_name})" if self.set_name else self.version

    def package(self, name: str) -> LockedPackage | None:
        """Return a package by its normalised name."""
        return next((package for package in self.packages if package.name == name), None)

    @property
    def names(self) -> frozenset[str]:
        """Normalised names of all packages, of those that are left out, and of build requirements."""
        built = (requirement.name for package in self.packages for requirement in package.build)
        return frozenset([*(one.name for one in self.packages), *(one.name for one in self.skipped), *built])

    @property
    def size(self) -> int:
        """Bytes of the packages' files, those of build requirements excepted."""
        return sum(package.file.size for package in self.packages if package.file is not None)

    @property
    def files(self) -> tuple[LockedFile, ...]:
        """Every file once, build requirements included, by name."""
        found: dict[str, LockedFile] = {}
        for package in self.packages:
            if package.file is not None:
                found[package.file.sha256] = package.file
            found.update((build.file.sha256, build.file) for build in package.build)
        return tuple(sorted(found.values(), key=lambda file: (file.name, file.sha256)))


def input_checksum(config: Config, platform_key: str, names: Collection[str]) -> str:
    """Return the sha256 of all inputs of a resolution, the content of the registries excepted.

    Args:
        names: of the packages in the lock; a rule about any other leaves the lock as good as it was.

    Raises:
        ConfigError: a local wheel is no wheel by its name.
    """
    packages = config.packages_for(platform_key)
    resolution = packages.resolution
    floors = config.build.floors
    system = PLATFORMS[platform_key].system
    inputs: dict[str, Any] = {
        "format": FORMAT,
        "version": config.version,
        "platform": platform_key,
        "python": config.python,
        "floor": next(iter(floors.of(system).values()), None),
        "registries": {
            "default": redact(config.registries.default or ""),
            "additional": [[str(one), sorted(one.packages)] for one in config.registries.additional],
        },
        "dependencies": sorted(_normal_requirement(text) for text in packages.dependencies),
        "overrides": _applying(packages.overrides, names),
        "skip": _applying(packages.skip, names),
        "forceSource": _applying(packages.force_source, names),
        "buildWheel": {
            name: [rule.reason, list(rule.build_requires), dict(rule.config_settings), *_variables(rule)]
            for name, rule in _applying(packages.build_wheel, names).items()
        },
        "noDeps": sorted(packages.no_deps & set(names)),
        "resolution": {
            "allowSourceAll": resolution.allow_source_all,
            "strictMissing": resolution.strict_missing,
            "allowSourceList": sorted(resolution.allow_source & set(names)),
            "forceNoBinaryList": sorted(resolution.force_source & set(names)),
            "onlyBinaryList": sorted(resolution.only_binary & set(names)),
        },
    }
    # Left out where there are none, so that older locks stay as good as they were.
    if config.set_name:
        inputs["set"] = config.set_name
    constraints = [text for text in packages.constraints if canonicalize_name(Requirement(text).name) in names]
    if constraints:
        inputs["constraints"] = sorted(map(_normal_requirement, constraints))
    if hashes := _applying(packages.hashes, names):
        inputs["hashes"] = {name: sorted(one) for name, one in hashes.items()}
    if packages.folders:
        inputs["folders"] = {name: shape(folder) for name, folder in sorted(packages.folders.items())}
    if config.taken:
        inputs["taken"] = [config.taken.digest, sorted(config.taken.extras), sorted(config.taken.groups)]
    if local := [wheel for wheel in wheels_for(config, platform_key) if wheel.name in names]:
        # Left out where there are none, so that a new wheel makes only the locks of its own platforms stale.
        inputs["wheels"] = [[wheel.filename, wheel.sha256] for wheel in local]
    return hashlib.sha256(canonical_json(inputs)).hexdigest()


def _variables(rule: BuildWheel) -> list[dict[str, str]]:
    # Left out where there are none, so that locks without them stay fresh.
    return [dict(rule.environment)] if rule.environment else []


def _applying(rules: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {name: rules[name] for name in sorted(names) if name in rules}


def _normal_requirement(text: str) -> str:
    """Return one spelling for all spellings of a requirement."""
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return text
    requirement.name = canonicalize_name(requirement.name)
    return redact(str(requirement))
