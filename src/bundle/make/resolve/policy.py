"""The file of a package's version that a platform gets, by the rules of the configuration; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import takewhile
from typing import Literal

from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.make.resolve.coverage import PLAIN_WHEEL
from bundle.make.resolve.requirements import parsed_specifier, parsed_version
from bundle.model.config.config import PlatformPackages
from bundle.model.platforms import Floors, Platform
from bundle.model.wheeltags import best_rank, lowest_floor, tag_ranks

Kind = Literal["wheel", "source", "missing"]

# PEP 625 and PEP 751 know these two; older sdists in other formats have no place in a lock.
_SDIST_ENDS = (".tar.gz", ".zip")


OTHER_PYTHON = "it needs Python"
"""The begin of the reason of a package that no build makes usable."""


@dataclass(frozen=True)
class Decision:
    """The decision on one version of a package on one platform."""

    kind: Kind
    file: RemoteFile | None
    """The wheel or sdist; None if there is none that may be used."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version of a project with the files that a registry has of it."""

    name: str
    version: Version
    files: tuple[RemoteFile, ...]

    @property
    def wheels(self) -> tuple[RemoteFile, ...]:
        """The wheels among the files."""
        return tuple(file for file in self.files if file.filename.endswith(".whl"))

    @property
    def sdists(self) -> tuple[RemoteFile, ...]:
        """The sdists among the files, .tar.gz first."""
        found = (file for file in self.files if file.filename.endswith(_SDIST_ENDS))
        return tuple(sorted(found, key=lambda file: (_SDIST_ENDS.index(_sdist_end(file.filename)), file.filename)))

    @property
    def yanked(self) -> bool:
        """Whether every file was withdrawn."""
        return all(file.yanked is not None for file in self.files)


def releases_of(name: str, files: Iterable[RemoteFile]) -> dict[Version, Release]:
    """Group a page's files by version, without those that are neither a wheel nor an sdist of the project."""
    by_text: dict[str, list[RemoteFile]] = {}
    for file in files:
        text = _version_text(name, file.filename)
        if text is not None:
            by_text.setdefault(text, []).append(file)
    by_version: dict[Version, list[RemoteFile]] = {}
    for text, group in by_text.items():
        version = parsed_version(text)
        if version is not None:
            by_version.setdefault(version, []).extend(group)
    return {
        version: Release(name=name, version=version, files=tuple(by_version[version]))
        for version in sorted(by_version, reverse=True)
    }


def _version_text(name: str, filename: str) -> str | None:
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in (5, 6) or canonicalize_name(parts[0]) != name:
            return None
        # PEP 427 once escaped "-" of a version as "_", which PEP 440 reads the same way.
        return parts[1].replace("_", "-") if "_" in parts[1] else parts[1]
    end = _sdist_end(filename)
    if not end:
        return None
    stem, dash, version = filename[: -len(end)].rpartition("-")
    return version if dash and canonicalize_name(stem) == name else None


def _sdist_end(filename: str) -> str:
    return next((end for end in _SDIST_ENDS if filename.endswith(end)), "")


@dataclass(frozen=True)
class Target:
    """The platform, the Python and the oldest systems that files have to fit."""

    platform: Platform
    python: str
    floors: Floors

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Every fitting tag with its place, best first."""
        return tag_ranks(self.platform, self.python, self.floors)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The marker environment."""
        return self.platform.marker_environment(self.python)

    def rank(self, filename: str) -> tuple[int, int, str] | None:
        """Return how well a wheel fits, less is better; None if it does not."""
        place = best_rank(filename, self.ranks)
        return None if place is None else (place, -_build_number(filename), filename)

    def admits(self, requires_python: str | None) -> bool:
        """Return whether a `Requires-Python` allows the Python; one that does not parse allows all (as in pip)."""
        return _contains(requires_python or "", self.python)

    def floor_hint(self, wheels: Iterable[RemoteFile]) -> str:
        """Return that a wheel would fit above the floor, and the setting that admits it; or nothing."""
        admitted = (file.filename for file in wheels if self.admits(file.requires_python))
        needed = lowest_floor(admitted, self.platform, self.python)
        floor = self.floors.of(self.platform.system)
        if needed is None or not floor:
            return ""
        ((system, asked),) = floor.items()
        return f" at build.{system} {asked} (one would with {json.dumps(needed)})"

    def offers(self, release: Release) -> bool:
        """Return whether a release has a file for the Python and the platform, also above the floors, or a source."""
        sources = any(self.admits(file.requires_python) for file in release.sdists)
        return sources or self.best_wheel(release.wheels) is not None or bool(self.floor_hint(release.wheels))

    def best_wheel(self, wheels: Iterable[RemoteFile]) -> RemoteFile | None:
        """Return the wheel whose tag comes first, and of several the one with the highest build number."""
        fitting = (
            (rank, file)
            for file in wheels
            if (rank := self.rank(file.filename)) is not None and self.admits(file.requires_python)
        )
        return min(fitting, default=(None, None), key=lambda pair: pair[0] or ())[1]


@cache
def _contains(text: str, python: str) -> bool:
    specifier = parsed_specifier(text)
    return specifier is None or specifier.contains(python, prereleases=True)


def _build_number(wheel: str) -> int:
    parts = wheel.split("-")
    build = parts[2] if len(parts) == 6 else ""
    return int("".join(takewhile(str.isdigit, build)) or 0)


class Policy:
    """The decisions of one platform.

    Args:
        local: the places of local wheels, by file name: they come before any rule and registry.
    """

    def __init__(self, packages: PlatformPackages, target: Target, *, local: Mapping[str, str] | None = None) -> None:
        self.packages = packages
        self.target = target
        self._local = local or {}

    def must_be_built(self, name: str) -> str | None:
        """Return why a package is built from source even if it has wheels, or None."""
        if name in self.packages.build_wheel:
            return f"buildWheel: {self.packages.build_wheel[name].reason}"
        if name in self.packages.force_source:
            return f"forceSource: {self.packages.force_source[name]}"
        if name in self.packages.resolution.force_source:
            return "resolution.forceNoBinaryList"
        return None

    def may_be_built(self, name: str) -> str | None:
        """Return why a package without a wheel may be built from source, or None."""
        resolution = self.packages.resolution
        if name in resolution.only_binary:
            return None
        if name in resolution.allow_source:
            return "no compatible wheel; resolution.allowSourceList"
        if resolution.allow_source_all:
            return "no compatible wheel; resolution.allowSourceAll"
        return None

    def decide(self, release: Release, *, yanked: bool = False) -> Decision:
        """Return the decision on a version; withdrawn files count if a requirement names exactly this version."""
        files = tuple(file for file in release.files if yanked or file.yanked is None)
        if (hashes := self.packages.hashes.get(release.name)) is not None:
            known = tuple(file for file in files if file.sha256 in hashes or file.filename in self._local)
            if files and not known:
                which = "none of its files has a hash of" if hashes else "it has no hash in"
                return Decision("missing", None, f"{which} packages.hashes")
            files = known
        release = Release(name=release.name, version=release.version, files=files)
        local = self.target.best_wheel(file for file in release.wheels if file.filename in self._local)
        if local is not None:
            return Decision("wheel", local, f"handed over: {self._local[local.filename]}")
        forced = self.must_be_built(release.name)
        if forced is None and (wheel := self.target.best_wheel(release.wheels)):
            return Decision("wheel", wheel, PLAIN_WHEEL)
        sdist = next((file for file in release.sdists if self.target.admits(file.requires_python)), None)
        allowed = forced or self.may_be_built(release.name)
        if sdist and allowed:
            return Decision("source", sdist, allowed)
        return Decision("missing", None, self._why_missing(release, forced, sdist))

    def _why_missing(self, release: Release, forced: str | None, sdist: RemoteFile | None) -> str:
        refused = sorted({file.requires_python or "" for file in release.files} - {""})
        if refused and not any(self.target.admits(file.requires_python) for file in release.files):
            return f"{OTHER_PYTHON} {' or '.join(refused)}, and this is {self.target.python}"
        if forced:
            return f"it must be built from source ({forced}), and the registry has no sdist of it"
        none = f"no wheel fits {self.target.platform.key}{self.target.floor_hint(release.wheels)}"
        if sdist is None:
            return f"{none}, and there is no sdist"
        if release.name in self.packages.resolution.only_binary:
            return f"{none}; there is an sdist, but packages.resolution.onlyBinaryList forbids it"
        return f"{none}; there is an sdist, but nothing allows it (packages.resolution.allowSourceList)"


def wheel_platforms(wheels: Iterable[RemoteFile]) -> tuple[str, ...]:
    """Return the tags of the wheels that do exist, in short, for a message: `cp312 win_amd64`."""
    found = set()
    for file in wheels:
        parts = file.filename.removesuffix(".whl").split("-")
        if len(parts) in (5, 6):
            found.add(f"{parts[-3]} {parts[-1]}")
    return tuple(sorted(found))
