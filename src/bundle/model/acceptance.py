"""Findings of the verification that are accepted: by the configuration, or because they are known to be harmless."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

_PACKAGE = re.compile(r"([^<>=!~\s]+)\s*(.*)")


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """An entry of `verify.accept`: findings that are known, and accepted."""

    rule: str
    files: str = ""
    """Glob of paths relative to the bundle's root, or of dotted names of modules; `*` also stands for `/`."""
    package: str = ""
    """Glob of names of packages, and the versions of these, such as `scipy<1.19`."""
    platforms: tuple[str, ...] = ()
    """Platform keys; empty for all."""
    error: str | tuple[str, ...] = ""
    """Text that the finding, or the output of its program, must contain; of several, one."""
    reason: str
    origin: str = field(default="", compare=False)
    """File and line of the configuration; empty for one from elsewhere."""

    @property
    def subject(self) -> str:
        """What it is about, for messages."""
        return f"{self.rule}: {' '.join(filter(None, (self.package, self.files)))}"

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value of the configuration."""
        value = {
            "rule": self.rule,
            "files": self.files,
            "package": self.package,
            "platforms": list(self.platforms),
            "error": self.error if isinstance(self.error, str) else list(self.error),
            "reason": self.reason,
        }
        return {key: part for key, part in value.items() if part}

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, one of which the finding or its output must contain."""
        return (self.error,) if isinstance(self.error, str) else self.error

    def holds_on(self, platform: str) -> bool:
        """Return whether the entry is about a platform, by its key."""
        return not self.platforms or platform in self.platforms

    def names(self, package: str, version: str) -> bool:
        """Return whether the entry is about a package in a version; an entry that names none is about each."""
        if not self.package:
            return True
        name, versions = package_and_versions(self.package)
        if not fnmatchcase(package, name):
            return False
        try:
            return versions.contains(version, prereleases=True)
        except InvalidVersion:
            return not versions

    def fits(self, files: Collection[str]) -> bool:
        """Return whether the entry is about one of some files or modules; an entry that names none is about all."""
        return not self.files or any(fnmatchcase(file, self.files) for file in files)


def package_and_versions(text: str) -> tuple[str, SpecifierSet]:
    """Return the glob of an entry's packages, normalised, and their versions.

    Raises:
        ValueError: the text is neither.
    """
    match = _PACKAGE.fullmatch(text.strip())
    if match is None:
        raise ValueError("no name of a package")
    return canonicalize_name(match[1]), SpecifierSet(match[2])
