"""The manifest of a bundle, `bundle.json`: its contents, and the reason for each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.model.acceptance import Acceptance
from bundle.model.platforms import PLATFORMS, Floors, Platform
from bundle.model.records import MalformedError, from_json, to_json
from bundle.model.variables import BUNDLE, OF_PROGRAMS, obstacle
from bundle.model.wheel_flaws import WheelFlaw

MANIFEST = "bundle.json"
"""The manifest's file name, at the bundle's root."""

WHEELHOUSE = "packages"
"""Folder of the wheels in a bundle whose `build.layout` is `wheelhouse` or `both`, relative to the bundle's root."""

MOST_SETS = 50
"""Sets of packages in one bundle; verification installs each of them."""

FORMAT = 1

_CONFIGURATION = "(the configuration)"
"""The name of the configuration among those that require a package."""

_OPTIONAL = ("file", "sha256", "repository", "commit", "wheel", "isolation", "network")
"""Keys of a package that are left out where they are empty."""

_PYTHON = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?")
_FLOOR = re.compile(r"[0-9]+\.[0-9]+")
_SET_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_SET_NAME = 60

Group = TypeVar("Group", "Manifest", "SetRecord")


@dataclass(frozen=True, kw_only=True)
class PythonRecord:
    """The CPython that was asked for, and the one inside."""

    requested: str = ""
    actual: str
    source: str = ""
    """The interpreter source."""

    @property
    def substituted(self) -> bool:
        """Whether another patch release is inside than was asked for."""
        return self.requested != self.actual


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """One layer of a bundle."""

    digest: str
    kind: str
    name: str
    version: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PackageRecord:
    """One package of a bundle, and the reason for its form."""

    name: str
    version: str
    decision: Literal["wheel", "source"]
    reason: str
    required_by: tuple[str, ...]
    """Names of packages; empty text stands for the configuration."""
    file: str = ""
    """Name of the wheel or source archive that the lock chose; empty for a commit of a repository."""
    sha256: str = ""
    """Of that file."""
    repository: str = ""
    commit: str = ""
    wheel: str = ""
    """sha256 of the wheel that was built from source."""
    isolation: str = ""
    """How its build was kept apart from the machine: `bubblewrap` or `none`."""
    network: str = ""
    """Why its build could use the network; empty if it could not."""


@dataclass(frozen=True, kw_only=True)
class SkippedRecord:
    """One package that was left out, and the reason."""

    name: str
    kind: Literal["skipped", "missing"] = "skipped"
    """`skipped` by a rule of the configuration, or `missing`: nothing usable exists."""
    reason: str = ""
    required_by: tuple[str, ...] = ()
    available: tuple[str, ...] = ()
    """Tags of the wheels that exist of a missing one; in the catalogue only."""


@dataclass(frozen=True, kw_only=True)
class SetRecord:
    """One set of packages of a bundle (`packages.sets`), resolved without regard to the others."""

    lock: str = ""
    """Checksum of the inputs of its lock."""
    packages: tuple[PackageRecord, ...] = ()
    overrides: tuple[str, ...] = ()
    no_deps: tuple[str, ...] = ()
    skipped: tuple[SkippedRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A path for which two layers hold different bytes."""

    path: str
    kept: str
    """Name of the later layer, whose bytes are in the bundle."""
    lost: str
    """Name of the other layer."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of one bundle."""

    format: int = FORMAT
    bundle: str = ""
    """Version of the program that built it."""
    version: str
    platform: str
    """Platform key."""
    python: PythonRecord
    interpreter: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the interpreter: its floor, libraries, licences."""
    layout: str = "installed"
    bytecode: bool | str = False
    lock: str = ""
    """Checksum of the lock's inputs."""
    layers: tuple[LayerRecord, ...] = ()
    """Without the manifest's own layer."""
    packages: tuple[PackageRecord, ...] = ()
    overrides: tuple[str, ...] = ()
    """Names of packages whose version the configuration overrides."""
    no_deps: tuple[str, ...] = ()
    """Names of packages that were installed without their dependencies."""
    skipped: tuple[SkippedRecord, ...] = ()
    copied: tuple[str, ...] = ()
    """Paths of the version's own files (copyFiles)."""
    conflicts: tuple[Conflict, ...] = ()
    flaws: tuple[WheelFlaw, ...] = ()
    """Of the wheels that were installed."""
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all of it runs on, measured, such as `{"glibc": "2.28"}`; empty where nothing tells."""
    floor_asked: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that the configuration asks for."""
    accepted: tuple[Acceptance, ...] = ()
    known: bool = True
    """Whether findings that are known to be harmless fail nothing (`verify.known`)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the bundle's programs (`runtime.environment`); `{bundle}` stands for its folder."""
    files: str = ""
    """sha256 of the list of all files, `bundle-files.json`; empty in bundles of earlier versions, which have none."""
    sets: Mapping[str, SetRecord] = field(default_factory=dict)
    """The sets of packages beside `packages`, by name; wheels only."""

    @property
    def members(self) -> dict[str, Manifest]:
        """The manifest as that of each set, by name; under the empty name, that of `packages`."""
        records = {name: vars(record) for name, record in self.sets.items()}
        return {name: replace(self, sets={}, **record) for name, record in {"": {}, **records}.items()}

    @property
    def target(self) -> Platform:
        """The platform."""
        return PLATFORMS[self.platform]

    @property
    def certificates(self) -> str:
        """The folder that the interpreter's OpenSSL looks for certificates in; empty if unknown."""
        place = self.interpreter.get("certificates", "")
        return place if isinstance(place, str) and place.isprintable() else ""

    @property
    def floors(self) -> Floors:
        """The oldest systems that the bundle was built for."""
        return Floors(**self.floor_asked)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value of `bundle.json`."""
        value: dict[str, Any] = to_json(self)
        value["python"]["substituted"] = self.python.substituted
        if self.known:
            del value["known"]
        for key in ("environment", "sets"):
            if not value[key]:
                del value[key]
        value["accepted"] = [acceptance.as_json() for acceptance in self.accepted]
        groups = (value, *value.get("sets", {}).values())
        for record in (one for group in groups for one in (*group["packages"], *group["skipped"])):
            record["requiredBy"] = [name or _CONFIGURATION for name in record["requiredBy"]]
            for key in (*(key for key in _OPTIONAL if not record.get(key)), "available"):
                record.pop(key, None)
        return value

    @classmethod
    def from_json(cls, value: Any) -> Manifest:
        """Read the JSON value of a `bundle.json`.

        Raises:
            MalformedError: it has another shape; the text names the place.
        """
        manifest = from_json(cls, value, lenient=True)
        sets = {name: _with_names(record) for name, record in manifest.sets.items()}
        manifest = replace(_with_names(manifest), sets=sets)
        checks = (
            (manifest.format == FORMAT, f"format is {manifest.format}, not {FORMAT}"),
            (manifest.platform in PLATFORMS, f"platform is {manifest.platform!r:.80}, which is unknown"),
            (
                _PYTHON.fullmatch(manifest.python.actual) is not None,
                f"python.actual is {manifest.python.actual!r:.80}, not a version of Python",
            ),
            (
                manifest.floor_asked.keys() <= {"glibc", "macos"}
                and all(map(_FLOOR.fullmatch, manifest.floor_asked.values())),
                "floorAsked is not a version of glibc or macOS",
            ),
            (
                not any(
                    obstacle(name, text, placeholders=(BUNDLE,), reserved=OF_PROGRAMS)
                    for name, text in manifest.environment.items()
                ),
                "environment has a variable that a bundle cannot set",
            ),
            (all(map(is_set_name, manifest.sets)), "sets has a name that a set cannot have"),
            (len(manifest.sets) <= MOST_SETS, f"sets has more than {MOST_SETS} entries"),
            (not manifest.sets or manifest.layout == "wheelhouse", "sets need the layout wheelhouse"),
        )
        if problems := [problem for fits, problem in checks if not fits]:
            raise MalformedError("; ".join(problems))
        return manifest


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of the bundle in a folder.

    Raises:
        ConfigError: there is no manifest, or a malformed one.
    """
    path = root / MANIFEST
    try:
        return Manifest.from_json(json.loads(read_regular(path)))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"{root} is not a bundle: it has no {MANIFEST}.",
            remedy="Name a version, the folder that holds bundle.json, or an archive of it.",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no manifest of a bundle: {error}.",
            cause="It was edited, or made by another version of this program.",
            remedy="Build the bundle again, or unpack its archive again.",
        ) from error


def is_set_name(name: str) -> bool:
    """Return whether a set of packages may have a name, which is part of file names."""
    return len(name) <= _LONGEST_SET_NAME and _SET_NAME.fullmatch(name) is not None


def carried_lock_path(set_name: str) -> str:
    """Return where the lock of a bundle's wheels stands, or of those of one set; relative to the bundle's root."""
    return f"{WHEELHOUSE}/{'.'.join(filter(None, ('pylock', set_name, 'toml')))}"


def _with_names(group: Group) -> Group:
    return replace(
        group,
        packages=tuple(replace(one, required_by=_names(one.required_by)) for one in group.packages),
        skipped=tuple(replace(one, required_by=_names(one.required_by)) for one in group.skipped),
    )


def _names(required_by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("" if name == _CONFIGURATION else name for name in required_by)
