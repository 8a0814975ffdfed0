"""The solver's index: the versions of each package that it may choose from, and their metadata."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.artifacts.registries.registries import Page
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.filenames import LONGEST_NAME
from bundle.base.text import did_you_mean
from bundle.make.resolve.index_server import LongWork
from bundle.make.resolve.policy import Decision, Policy, Release, releases_of
from bundle.make.resolve.requirements import STUB, RequestedRequirement, Rewriter, Rewritten, exactly
from bundle.make.sources.sdist import SourceTree
from bundle.model.config.config import UnsetVariableError

_NOTHING_KNOWN = b"Metadata-Version: 2.1\n"


class PackageFiles(Protocol):
    """The files of registries, and their metadata."""

    def page(self, name: str) -> Page | None:
        """Return the page of a name in the registry that serves it, None if no registry has the name."""

    def is_tied(self, name: str) -> bool:
        """Return whether the configuration ties a name to registries."""

    def precedence(self, name: str) -> str:
        """Return which registry serves a name in place of others that were not asked; empty if no other may be."""

    def wheel_metadata(self, file: RemoteFile) -> bytes:
        """Return the METADATA of a remote wheel."""

    def static_metadata(self, file: RemoteFile) -> bytes | None:
        """Return the METADATA of an sdist if it can be read without a build, else None."""

    def tree(self, release: Release, file: RemoteFile) -> SourceTree:
        """Return an sdist as a source tree."""


class Sources:
    """Packages whose metadata take long: sources that must be built, and packages by address; here, none of them."""

    def built_metadata(self, tree: SourceTree) -> bytes:
        """Return the METADATA of a source, built if there is no other way."""
        raise NotImplementedError(tree.label)

    def add(self, requested: RequestedRequirement) -> None:
        """Take a requirement with an address; raise ConfigError if it may not name one."""
        raise NotImplementedError(requested.name)

    def __contains__(self, name: object) -> bool:
        """Return whether a name is given by an address."""
        return False

    def version(self, name: str) -> Version:
        """Return the version at the address."""
        raise NotImplementedError(name)

    def metadata(self, name: str) -> bytes:
        """Return the METADATA of the package at the address."""
        raise NotImplementedError(name)


@dataclass(frozen=True)
class Candidate:
    """One version with the decision about it."""

    release: Release
    decision: Decision


class SolverIndex:
    """The versions that policy allows, and, where the solver finds no solution without them, others.

    At first the solver sees versions with a usable file, all versions of a name that has none, and versions that the
    configuration names exactly. Where that leads nowhere, `widen` opens more.

    Args:
        roots: the requirements to be satisfied.
        kept: pins of the last lock, which stay possible even if their files were withdrawn since.
    """

    def __init__(
        self,
        roots: Sequence[Requirement],
        policy: Policy,
        *,
        files: PackageFiles,
        sources: Sources,
        kept: Mapping[str, Version],
    ) -> None:
        self.roots = roots
        self.policy = policy
        self.rewriter = Rewriter(policy.packages, policy.target.environment)
        self.long_work = LongWork()
        self._files = files
        self._sources = sources
        self._lock = Lock()
        self._releases: dict[str, dict[Version, Candidate] | None] = {}
        self._metadata: dict[tuple[str, Version], Rewritten] = {}
        self._open: dict[str, set[Version]] = defaultdict(set)
        self._everything = False
        overrides = policy.packages.overrides.items()
        constraints = map(Requirement, policy.packages.constraints)
        self.constraints = [one for one in constraints if not self.rewriter.is_ruled(canonicalize_name(one.name))]
        """What the configuration says of packages that something else asks for."""
        pins = (Requirement(f"{name}{exactly(version)}") for name, version in overrides)
        self._pins = _by_name([*roots, *self.constraints, *pins])
        """Versions that the configuration names exactly: always shown, even if unusable or withdrawn."""
        self._kept = kept
        self.requested_by: dict[tuple[str, str], RequestedRequirement] = {}
        """Requirements that the solver has seen, by asker and text."""
        for requested in (RequestedRequirement(root, "") for root in roots):
            self._note(requested)
            ruled = self.rewriter.is_ruled(requested.name)
            if requested.requirement.url is not None and not ruled and self._counts(requested):
                sources.add(requested)

    @property
    def unknown(self) -> frozenset[str]:
        """Names that the solver asked for and no registry has."""
        return frozenset(name for name, found in self._releases.items() if found is None)

    def versions(self, name: str) -> list[Version] | None:
        """Return the versions that the solver may choose from, None if no registry has the name."""
        if name in self.policy.packages.skip:
            return [STUB]
        if name in self._sources:
            with self.long_work.turn():
                return [self._sources.version(name)]
        found = self.candidates(name)
        if found is None:
            # With an older version of the asker instead, the error about the address would not come up.
            return [STUB] if any(map(self._is_foreign, self.askers(name))) else None
        if name in self.policy.packages.overrides:
            # Alone, so that it counts even if it is a pre-release.
            return [version for version in found if self._is_pinned(name, version)]
        usable = {version for version, one in found.items() if one.decision.kind != "missing"}
        everything = self._everything or not usable
        return [
            version
            for version, one in found.items()
            if version in usable
            or version in self._open[name]
            or self._is_pinned(name, version)
            or (everything and not one.release.yanked)
        ]

    def metadata(self, name: str, version: Version) -> bytes:
        """Return the METADATA of a version, rewritten for the solver."""
        key = (name, version)
        if key not in self._metadata:
            raw = self._raw(name, version)
            # Some registries' pages do not say which Pythons a file supports; then the solver reads it here.
            rewritten = self.rewriter.metadata(name, version, raw, any_python=self._is_gap(name, version))
            for requested in rewritten.requested_by:
                self._note(requested)
            self._metadata[key] = rewritten
        return self._metadata[key].content

    def candidates(self, name: str) -> Mapping[Version, Candidate] | None:
        """Return every version there is, the newest first, with its decision; None if no registry has the name."""
        if name not in self._releases:
            page = self._page(name)
            self._releases[name] = (
                None
                if page is None
                else {
                    version: Candidate(release, self.policy.decide(release, yanked=self._may_be_yanked(name, version)))
                    for version, release in releases_of(name, page.files).items()
                }
            )
        return self._releases[name]

    def _page(self, name: str) -> Page | None:
        try:
            return None if len(name) > LONGEST_NAME else self._files.page(name)
        except UnsetVariableError as error:
            asked = [f"{name} is required by {requested.who}." for requested in self.askers(name)]
            raise UnsetVariableError(error.what, remedy=error.remedy, details=asked) from error

    def askers(self, name: str) -> list[RequestedRequirement]:
        """Return the requirements on a name that the solver has seen."""
        with self._lock:
            return sorted(
                (one for one in self.requested_by.values() if one.name == name),
                key=lambda requested: requested.asker,
            )

    def requirements_on(self, name: str, versions: Mapping[str, Version]) -> list[RequestedRequirement]:
        """Return the requirements on a name that count in a solution."""
        askers = {"", *(f"{asker} {version}" for asker, version in versions.items())}
        return [one for one in self.askers(name) if one.asker in askers and self._counts(one)]

    def requirements_of(self, name: str, version: Version) -> list[RequestedRequirement]:
        """Return the requirements of one version that count on the platform."""
        self.metadata(name, version)
        return [one for one in self._metadata[name, version].requested_by if self._counts(one)]

    def known(self, name: str) -> list[Version]:
        """Return every version of a name that the registry has, without regard to the policy."""
        if name in self.policy.packages.skip or name in self._sources:
            return []
        return list(self.candidates(name) or ())

    def precedence(self, name: str) -> str:
        """Return which registry serves a name in place of others that were not asked; empty if no other may be."""
        return self._files.precedence(name)

    def specifier(self, requested: RequestedRequirement) -> SpecifierSet:
        """Return the specifier that counts for a requirement: the override, if there is one."""
        rule = self.policy.packages.overrides.get(requested.name)
        return requested.requirement.specifier if rule is None else SpecifierSet(exactly(rule))

    def widen(self) -> bool:
        """Let the solver see more versions, after it found no solution; return whether there are more.

        First come the versions without a usable file that alone satisfy some requirement, then all versions.
        """
        opened = False
        with self._lock:
            requested_by = [
                requested
                for requested in self.requested_by.values()
                if requested.name in self._releases and self._counts(requested)
            ]
        for requested in requested_by:
            found = self._releases[requested.name]
            if not found or self.rewriter.is_ruled(requested.name) or requested.name in self._sources:
                continue
            seen = set(self.versions(requested.name) or ())
            specifier = requested.requirement.specifier
            fitting = {
                version
                for version, one in found.items()
                if specifier.contains(version, prereleases=True) and not one.release.yanked
            }
            if fitting and not fitting & seen:
                self._open[requested.name] |= fitting
                opened = True
        if not opened and not self._everything:
            self._everything = opened = True
        return opened

    def refuse_addresses(self, versions: Mapping[str, Version] | None = None) -> None:
        """Refuse the addresses that metadata name: the configuration alone says where packages come from.

        Args:
            versions: the solution, in which only requirements among its packages count; None if there is none, and
                an address may be why no registry has a name.

        Raises:
            ConfigError: there is one that the configuration does not list, for a name that it does not tie or rule.
        """
        for one in filter(self._is_foreign, list(self.requested_by.values())):
            asker, _, version = one.asker.partition(" ")
            used = versions is not None and one.name in versions and str(versions.get(asker)) == version
            if used or (one.name in self.unknown and (versions is None or one.name in versions)):
                self._sources.add(one)

    def unknown_extras(self, versions: Mapping[str, Version]) -> list[str]:
        """Return a line for each extra that a solution's requirements name and its packages do not have."""
        lines = []
        for one in list(self.requested_by.values()):
            asker, _, version = one.asker.partition(" ")
            found = self._metadata.get((one.name, versions[one.name])) if one.name in versions else None
            used = not asker or str(versions.get(asker)) == version
            if found is None or not used or one.name in self.policy.packages.skip or not self._counts(one):
                continue
            for extra in sorted(one.requirement.extras):
                if canonicalize_name(extra) not in found.extras:
                    package = f"{one.name} {versions[one.name]}"
                    hint = did_you_mean(extra, found.extras)
                    lines.append(f"{package} has no extra {extra!r}, which {one.who} asks for.{hint}")
        return sorted(lines)

    def _is_foreign(self, requested: RequestedRequirement) -> bool:
        """Return whether metadata name an address for a name that the configuration neither ties nor rules."""
        if requested.requirement.url is None or not requested.asker or self.rewriter.is_ruled(requested.name):
            return False
        return self._counts(requested) and not self._files.is_tied(requested.name)

    def _counts(self, requested: RequestedRequirement) -> bool:
        asker = requested.asker.partition(" ")[0]
        # A copy, since other threads add to it.
        seen = [other.requirement for other in list(self.requested_by.values()) if other.name == asker]
        extras = {extra for requirement in seen for extra in requirement.extras}
        return self.rewriter.applies(requested.requirement.marker, extras)

    def _is_gap(self, name: str, version: Version) -> bool:
        found = {} if name in self._sources else self._releases.get(name) or {}
        return version in found and found[version].decision.kind == "missing"

    def _is_pinned(self, name: str, version: Version) -> bool:
        return any(pin.contains(version, prereleases=True) for pin in self._pins.get(name, ()))

    def _may_be_yanked(self, name: str, version: Version) -> bool:
        return self._kept.get(name) == version or self._is_pinned(name, version)

    def _note(self, requested: RequestedRequirement) -> None:
        with self._lock:
            self.requested_by[requested.asker, str(requested.requirement)] = requested

    def _raw(self, name: str, version: Version) -> bytes:
        if name in self.policy.packages.skip:
            return _NOTHING_KNOWN
        if name in self._sources:
            with self.long_work.turn():
                return self._sources.metadata(name)
        found = self.candidates(name)
        if found is None or version not in found:
            return _NOTHING_KNOWN
        candidate = found[version]
        release, decision = candidate.release, candidate.decision
        if decision.kind == "wheel" and decision.file:
            return self._files.wheel_metadata(decision.file)
        # All wheels of a version have the same requirements; reading one of them runs nothing.
        if wheel := self._readable_wheel(release):
            return self._files.wheel_metadata(wheel)
        for sdist in release.sdists[:1]:
            static = self._files.static_metadata(sdist)
            if static is not None:
                return static
            if decision.kind == "source":
                with self.long_work.turn():
                    return self._sources.built_metadata(self._files.tree(release, sdist))
        return _NOTHING_KNOWN

    def _readable_wheel(self, release: Release) -> RemoteFile | None:
        target = self.policy.target

        def order(file: RemoteFile) -> tuple[bool, str]:
            return not target.admits(file.requires_python), file.filename

        return target.best_wheel(release.wheels) or min(release.wheels, key=order, default=None)


def _by_name(requirements: Iterable[Requirement]) -> dict[str, list[SpecifierSet]]:
    """Return the specifiers that name one version alone."""
    found: dict[str, list[SpecifierSet]] = {}
    for requirement in requirements:
        if any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in requirement.specifier):
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return found
