"""What may be installed: wheels in folders, and distributions that are installed already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.base.errors import IntegrityError
from bundle.base.files import open_regular, read_regular

_MOST_REQUIREMENTS = 5_000
"""Requirements of one distribution; the largest published ones have some hundreds."""

_MOST_METADATA = 2**24


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One version of a distribution."""

    name: str
    """Normalised."""
    version: Version
    path: Path
    """The wheel, or the `.dist-info` folder of what is installed."""
    order: tuple[int, ...] = ()
    """Of several wheels of one version the greatest is the best."""
    sha256: str | None = None
    """As a lock states it."""
    package: str = ""
    """The package that carries it; empty for what is installed."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def installed(self) -> bool:
        """Whether it is installed already."""
        return not self.package

    @cached_property
    def _metadata(self) -> tuple[SpecifierSet, tuple[Requirement, ...]]:
        try:
            if self.installed:
                content = read_regular(self.path / "METADATA", most=_MOST_METADATA)
            else:
                with open_regular(self.path) as file:
                    content = metadata_in(file, self.path.name)
            raw, _ = parse_email(content)
            texts = raw.get("requires_dist", [])
            if len(texts) > _MOST_REQUIREMENTS:
                raise ValueError(f"it has {len(texts)} requirements")
            return SpecifierSet(raw.get("requires_python", "")), tuple(map(Requirement, texts))
        except (OSError, ValueError, InvalidRequirement, InvalidSpecifier, RecursionError) as error:
            raise IntegrityError(
                f"{self.path} has no metadata that can be read: {str(error)[:200]}",
                cause="The file is damaged, or was made with an old tool.",
                remedy="Run `bundle vendor` again, or choose another version.",
            ) from error

    def runs_on(self, python: str) -> bool:
        """Return whether its `Requires-Python` admits a Python.

        Raises:
            IntegrityError: its metadata cannot be read.
        """
        return self._metadata[0].contains(python, prereleases=True)

    def requires(self, extras: Iterable[str], environment: Mapping[str, str]) -> list[Requirement]:
        """Return what it requires with some extras, "" for without any.

        Raises:
            IntegrityError: its metadata cannot be read.
        """
        return [
            one for one in self._metadata[1] if any(applies(one, {**environment, "extra": extra}) for extra in extras)
        ]


def applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Return whether a requirement counts in an environment; one whose marker cannot be told counts."""
    try:
        return requirement.marker is None or requirement.marker.evaluate({"extra": "", **environment})
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return True


@dataclass(frozen=True)
class Offers:
    """All offers by name; wheels come before what is installed, and then newer before older ones."""

    by_name: dict[str, list[Offer]] = field(default_factory=dict)

    def add(self, offer: Offer) -> None:
        """Add one."""
        self.by_name.setdefault(canonicalize_name(offer.name), []).append(offer)

    def of(self, name: str) -> list[Offer]:
        """Return those of a name, best first."""
        found = self.by_name.get(name, [])
        return sorted(
            found,
            key=lambda one: (not one.installed, not one.version.is_prerelease, one.version, one.order),
            reverse=True,
        )
