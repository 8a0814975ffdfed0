"""What one version asks for, as values: the merged configuration with its defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from packaging.utils import canonicalize_name

from bundle.base.errors import ConfigError
from bundle.base.http.urls import redact
from bundle.model.acceptance import Acceptance
from bundle.model.platforms import PLATFORMS, Floors

if TYPE_CHECKING:
    from packaging.pylock import Pylock

Layout = Literal["installed", "wheelhouse", "both"]
IsolationMode = Literal["auto", "strict", "none"]
Effort = Literal["fast", "default", "small"]
Substitute = Literal["never", "patch"]

DEFAULT_SOURCES = ("python-build-standalone", "host")
DEFAULT_ARCHIVES = ("tar.zst",)
DEFAULT_TIMEOUT = 1800.0
DEFAULT_PARALLEL_DOWNLOADS = 8

SOURCE_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
"""How the file names of sources end that a requirement may name by an address."""


class UnsetVariableError(ConfigError):
    """A registry is needed whose address has a variable that is not set."""

    def as_json(self) -> dict[str, Any]:
        """Return the error as the JSON value that `--json` prints, under the name that all such errors have."""
        return {**super().as_json(), "error": ConfigError.__name__}


WHEELS_FOLDER = "wheels"
"""Folder, beside a version's configuration or in the project, whose wheels are used without being named."""


@dataclass(frozen=True, kw_only=True)
class WheelPlace:
    """Where wheels may lie."""

    pattern: str
    """A wheel, a folder of wheels or a glob, relative to `base`."""
    base: Path
    """Folder of the file that says so, absolute."""
    named: bool = True
    """Whether the configuration names it; what it names by no glob must be there."""


@dataclass(frozen=True, init=False, repr=False)
class Registry:
    """A Python package index.

    Args:
        url: the index, with every set `${NAME}` expanded.
        packages: globs of normalised names; those names are asked for here and nowhere else. Empty: any name.
        missing: variables that the URL needs and the environment lacks.
        origin: file and line that name it, for messages; empty if no file does.
    """

    template: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]
    origin: str = field(compare=False)

    def __init__(
        self, *, url: str, packages: Iterable[str] = (), missing: Iterable[str] = (), origin: str = ""
    ) -> None:
        object.__setattr__(self, "template", url)
        object.__setattr__(self, "packages", tuple(canonicalize_name(glob) for glob in packages))
        object.__setattr__(self, "missing", tuple(missing))
        object.__setattr__(self, "origin", origin)

    @property
    def url(self) -> str:
        """The index URL, credentials included: for requests only, never for messages.

        Raises:
            UnsetVariableError: a variable that the URL needs is not set. A registry that is tied to packages may stay
                without its variable as long as none of them is asked for.
        """
        if self.missing:
            served = ", ".join(self.packages)
            for_whom = f" for {served}" if served else ""
            where = f" ({self.origin})" if self.origin else ""
            names = " and ".join(self.missing)
            raise UnsetVariableError(
                f"The registry{for_whom}{where} needs the environment variable {names}, which is not set.",
                remedy=f"Set {names} to what the address of an index that has {served or 'the packages'} needs; if "
                "your default index has them, that one will do. Or skip those packages there (packages.skip). "
                'See "Registries" in docs/locking.md.',
            )
        return self.template

    def serves(self, name: str) -> bool:
        """Return whether the registry may be asked for a package, by its normalised name."""
        return not self.packages or any(fnmatchcase(name, glob) for glob in self.packages)

    def __str__(self) -> str:
        return redact(self.template)

    def __repr__(self) -> str:
        return f"Registry({str(self)!r}, packages={self.packages!r})"


@dataclass(frozen=True, kw_only=True)
class Registries:
    """Where packages come from."""

    default: str | None = field(default=None, repr=False)
    """The index for all that no other serves, credentials included; None: the one that installers use unasked."""
    additional: tuple[Registry, ...] = ()
    """Further indexes, in the order in which they are asked."""


@dataclass(frozen=True, kw_only=True)
class ArchiveSpec:
    """An interpreter archive that the configuration names."""

    sha256: str
    url: str | None = None
    path: Path | None = None
    """Absolute; resolved against the file that named it."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Where the Python comes from."""

    sources: tuple[str, ...] = DEFAULT_SOURCES
    """In the order tried."""
    mirror: str | None = field(default=None, repr=False)
    """Base URL in place of the release host."""
    archives: Mapping[str, ArchiveSpec] = field(default_factory=dict)
    """By platform key."""
    substitute: Substitute = "never"
    """Whether a source may give another patch release of the same X.Y."""


@dataclass(frozen=True, kw_only=True)
class BuildWheel:
    """How one package is built from source on one platform."""

    reason: str
    build_requires: tuple[str, ...] = ()
    """PEP 508 requirements beyond those that the package declares."""
    config_settings: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """PEP 517; `{packageRoot}` stands for the unpacked source, `{versionRoot}` for the version's own files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the build, with the same placeholders."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Which packages may, or must, be built from source."""

    allow_source_all: bool = False
    strict_missing: bool = True
    """A package without a usable file is an error; else it is left out, with a warning."""
    allow_source: frozenset[str] = frozenset()
    force_source: frozenset[str] = frozenset()
    """`forceNoBinaryList`."""
    only_binary: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class CopyFile:
    """Files of the version's own that go into the bundle."""

    source: str
    """`from`: relative to `base`."""
    target: str
    """`to`: relative to the bundle's root; may start with `{site-packages}` or `<site-packages>`."""
    base: Path
    """Folder of the config file that asked for it."""
    replace: bool = False
    """Whether it may replace files of the interpreter."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a build works, and what it leaves behind."""

    enable_logging: bool = False
    parallel_downloads: int = DEFAULT_PARALLEL_DOWNLOADS
    timeout: float = DEFAULT_TIMEOUT
    """Seconds that one external step may take."""
    isolation: IsolationMode = "auto"
    """How source builds are kept apart from this machine."""
    layout: Layout = "installed"
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict.fromkeys(PLATFORMS, DEFAULT_ARCHIVES))
    """Archive formats by platform key."""
    compression: Effort = "default"
    """How small archives are made, at the cost of time."""
    bytecode: bool = False
    user_site: bool = False
    """Whether console scripts import packages of the user's own (`~/.local`)."""
    carry: bool | None = None
    """Whether interpreters of archives for Linux get the libraries that wheels expect; None: where a mirror of Debian
    is known."""
    floors: Floors = field(default_factory=Floors)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How bundles are verified."""

    accept: tuple[Acceptance, ...] = ()
    known: bool = True
    """Whether findings that are known to be harmless fail nothing."""


@dataclass(frozen=True, kw_only=True)
class PlatformPackages:
    """What one platform asks for; all names are normalised (PEP 503)."""

    dependencies: tuple[str, ...] = ()
    """PEP 508 requirements, as written."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Name to the folder, absolute, that a requirement names."""
    constraints: tuple[str, ...] = ()
    """PEP 508 requirements on packages that something else asks for, as written."""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name to the SHA-256 of the files that may be used; any for a name that is not there."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Name to version; wins over every requirement on that name."""
    skip: Mapping[str, str] = field(default_factory=dict)
    """Name to reason."""
    skip_origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Name to file and line of the entry in `skip`, for messages."""
    force_source: Mapping[str, str] = field(default_factory=dict)
    """Name to reason."""
    build_wheel: Mapping[str, BuildWheel] = field(default_factory=dict)
    network: Mapping[str, str] = field(default_factory=dict)
    """Name to the reason why its source build may use the network."""
    no_deps: frozenset[str] = frozenset()
    resolution: Resolution = field(default_factory=Resolution)
    copy_files: tuple[CopyFile, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """`runtime.environment`: variables of the bundle's programs; `{bundle}` stands for its folder."""


@dataclass(frozen=True, kw_only=True)
class PackageSet:
    """Packages that are resolved without regard to all others, and carried beside them (`packages.sets`)."""

    dependencies: tuple[str, ...]
    """PEP 508 requirements, as written."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Name to the folder, absolute, that a requirement names."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Name to version; wins over those of all sets."""


@dataclass(frozen=True, kw_only=True)
class TakenLock:
    """A lock of another tool that is taken as it is, in place of a resolution."""

    lock: Pylock
    shown: str
    """Its file, for messages."""
    digest: str
    """sha256 of its content."""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    """One version's configuration."""

    version: str
    python: str
    """The base, such as `3.12.10`."""
    variant: str | None = None
    folder: Path
    """`versions/<version>`, absolute."""
    registries: Registries = field(default_factory=Registries)
    interpreter: Interpreter = field(default_factory=Interpreter)
    platforms: tuple[str, ...] = tuple(PLATFORMS)
    """Keys of the platforms that this version is built for."""
    build: BuildOptions = field(default_factory=BuildOptions)
    verify: Verification = field(default_factory=Verification)
    packages: Mapping[str, PlatformPackages] = field(default_factory=dict)
    """By platform key; read it through `packages_for`."""
    wheels: tuple[WheelPlace, ...] = ()
    """Places of local wheels; see `bundle.model.locks.local_wheels`."""
    taken: TakenLock | None = None
    sets: Mapping[str, PackageSet] = field(default_factory=dict)
    """By name."""
    set_name: str = ""
    """The set that `packages` are of; empty for `packages.dependencies`."""

    @property
    def title(self) -> str:
        """The version, and the set if this is one, for messages."""
        return f"{self.version} (set {self.set_name})" if self.set_name else self.version

    @property
    def members(self) -> tuple[Config, ...]:
        """The configuration for each lock of a platform: that of `packages.dependencies`, then the sets by name."""
        return (replace(self, sets={}), *(self._member(name) for name in sorted(self.sets)))

    def _member(self, name: str) -> Config:
        own = self.sets[name]
        packages = {
            key: replace(
                one,
                dependencies=own.dependencies,
                folders=own.folders,
                overrides={**one.overrides, **own.overrides},
            )
            for key, one in self.packages.items()
        }
        return replace(self, sets={}, set_name=name, packages=packages)

    def packages_for(self, platform_key: str) -> PlatformPackages:
        """Return what a platform asks for, also one that is not among `platforms`."""
        return self.packages.get(platform_key, PlatformPackages())
