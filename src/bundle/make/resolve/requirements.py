"""Requirements as the solver sees them: rewritten by skip rules, overrides, noDeps and direct addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.model.config.config import PlatformPackages

STUB = Version("0")
"""The one version of a skipped package that the solver sees."""


@dataclass(frozen=True)
class RequestedRequirement:
    """A requirement as a package or the configuration has it."""

    requirement: Requirement
    asker: str
    """`name version` of the package, or "" for the configuration."""

    @property
    def name(self) -> str:
        """The normalised name of the required package."""
        return canonicalize_name(self.requirement.name)

    @property
    def who(self) -> str:
        """The asker, for people."""
        return self.asker or "the configuration"


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """Core metadata for the solver, and the requirements of the real ones."""

    content: bytes
    requested_by: tuple[RequestedRequirement, ...]
    extras: frozenset[str] = frozenset()
    """Normalised names of the extras that the package has."""


class Rewriter:
    """Applies the rules of one platform to requirements.

    Args:
        environment: the platform's marker environment, without `extra`.
    """

    def __init__(self, packages: PlatformPackages, environment: Mapping[str, str]) -> None:
        self._packages = packages
        self._environment = dict(environment)

    def requirement(self, requirement: Requirement) -> str:
        """Return a requirement as the solver may see it: never with an address.

        A marker always stays: no rule adds a package that would not have been there without the rule.
        """
        name = canonicalize_name(requirement.name)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        if name in self._packages.skip:
            return f"{name}{marker}"
        if override := self._packages.overrides.get(name):
            return f"{name}{extras}{exactly(override)}{marker}"
        return f"{name}{extras}{requirement.specifier}{marker}"

    def metadata(self, name: str, version: Version, raw: bytes, *, any_python: bool = False) -> Rewritten:
        """Return a package's core metadata with its requirements rewritten.

        Args:
            version: the version that the solver knows it by.
            raw: the real METADATA.
            any_python: whether to hide which Pythons the package supports, because it is to be reported as a gap.
        """
        read, _ = parse_email(raw)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        python = read.get("requires_python")
        if python and not any_python and parsed_specifier(python) is not None:
            lines.append(f"Requires-Python: {python}")
        requested_by: list[RequestedRequirement] = []
        extras = frozenset(map(canonicalize_name, read.get("provides_extra", ())))
        if name not in self._packages.no_deps:
            lines += [f"Provides-Extra: {extra}" for extra in read.get("provides_extra", ())]
            for folded in read.get("requires_dist", ()):
                text = " ".join(folded.split())
                parsed = lenient_requirement(text)
                if parsed is None:
                    # The solver reads more than the standard allows, and reports the rest itself; but never an address.
                    lines.append(f"Requires-Dist: {'!' if '@' in text else ''}{text}")
                    continue
                lines.append(f"Requires-Dist: {self.requirement(parsed)}")
                requested_by.append(RequestedRequirement(parsed, f"{name} {version}"))
        return Rewritten(content=("\n".join(lines) + "\n").encode(), requested_by=tuple(requested_by), extras=extras)

    def is_ruled(self, name: str) -> bool:
        """Return whether a rule replaces every requirement on a name."""
        return name in self._packages.skip or name in self._packages.overrides

    def applies(self, marker: Marker | None, extras: Iterable[str] = ()) -> bool:
        """Return whether a requirement's marker holds on the platform, with any of the extras or with none."""
        if marker is None:
            return True
        try:
            return any(marker.evaluate({**self._environment, "extra": extra}) for extra in ("", *extras))
        except (UndefinedEnvironmentName, UndefinedComparison, ValueError):
            return True


def parsed_specifier(text: str) -> SpecifierSet | None:
    """Return a specifier, None if it does not parse."""
    try:
        return SpecifierSet(text)
    except ValueError:  # Also that of a number with thousands of digits.
        return None


def parsed_version(text: str) -> Version | None:
    """Return a version, None if it does not parse."""
    try:
        return Version(text)
    except ValueError:
        return None


def exactly(version: str) -> str:
    """Return a version as a specifier; a specifier stays as it is."""
    specifier = parsed_specifier(version)
    return f"=={version}" if specifier is None else str(specifier)


def lenient_requirement(text: str) -> Requirement | None:
    """Return a requirement of published metadata, None if it does not parse."""
    # `name (>=1.0,)` was written for years.
    for form in (text, text.replace(",)", ")").replace(", )", ")")):
        try:
            return Requirement(form)
        except (ValueError, RecursionError):
            continue
    return None
