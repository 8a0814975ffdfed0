"""The distributions of a bundle as their users see them: names to import, entry points, requirements."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass, field
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundle.base.files import read_regular
from bundle.make.verify.checks.contents import Contents, Distribution

_MOST = 2**22
"""Bytes of a metadata file that are read."""

_TESTS = frozenset({"test", "tests", "testing"})

_SLOPPY = frozenset({"setup", "conftest"})
"""Modules that a wheel may hold at its top by mistake; nobody imports them."""

_ENTRY = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*[\w.]+\s*)?(?:\[(?P<extras>[^\]]*)\]\s*)?")
"""The value of an entry point; source: the PyPA specification "Entry points"."""

_NATIVE = re.compile(r".*\.(so|pyd|dll|dylib)|.*\.so\.[\d.]+", re.IGNORECASE)

_OPENS = re.compile(rb"\b(CDLL|cdll|dlopen|find_library)\b")
"""Words of Python code that opens a library by hand (ctypes, cffi)."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One distribution."""

    name: str = ""
    """Normalised."""

    top_level: Mapping[str, str] = field(default_factory=dict)
    """The file of each name that its users import first, without those of its tests."""
    scripts: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Module and extras by the name of each script."""
    requires: tuple[Requirement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Environment:
    """All distributions of a bundle."""

    contents: Contents

    @cached_property
    def installed(self) -> Mapping[str, Installed]:
        """The distributions by normalised name."""
        return {one.name: _read(self.contents, one) for one in self.contents.distributions}

    @cached_property
    def roots(self) -> frozenset[str]:
        """The first part of every name that some distribution of the bundle brings."""
        prefix = _prefix(self.contents)
        paths = (path.removeprefix(prefix) for path in self.contents.files if path.startswith(prefix))
        return frozenset(re.split(r"[./]", path, maxsplit=1)[0] for path in paths)

    def opens_libraries(self) -> Iterator[Installed]:
        """Yield the distributions that have a native file, an extension module or not, or open a library by hand."""
        for one in self.contents.distributions:
            if any(map(_NATIVE.fullmatch, one.files)) or any(map(self._opens, one.files)):
                yield self.installed[one.name]

    def of(self, package: str) -> Installed:
        """Return a distribution, an empty one for files that belong to none."""
        return self.installed.get(package, Installed())

    def required(self, package: str) -> int:
        """Return how many distributions of the bundle a distribution names as required, for any extra."""
        named = {canonicalize_name(requirement.name) for requirement in self.of(package).requires}
        return len(named & self.installed.keys())

    def lacks(self, package: str, extra: str = "") -> bool:
        """Return whether something is not installed that a distribution requires, by itself or for an extra of it."""
        marked = {**self.contents.platform.marker_environment(self.contents.python), "extra": extra}
        wanted = {
            canonicalize_name(requirement.name)
            for requirement in self.of(package).requires
            if _holds(requirement.marker, marked)
        }
        return not wanted <= self.installed.keys()

    def _opens(self, path: str) -> bool:
        if not path.endswith(".py") or path not in self.contents.files:
            return False
        try:
            return _OPENS.search(read_regular(self.contents.root / path, most=_MOST)) is not None
        except OSError:
            return False


def in_tests(name: str) -> bool:
    """Return whether a module belongs to the tests of a package, by its dotted name."""
    return not _TESTS.isdisjoint(name.split("."))


def _holds(marker: Marker | None, environment: Mapping[str, str]) -> bool:
    try:
        return marker is None or marker.evaluate(dict(environment))
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def _read(contents: Contents, distribution: Distribution) -> Installed:
    folder = contents.root / posixpath.dirname(distribution.record)
    return Installed(
        name=distribution.name,
        top_level=_top_level(distribution.files, _prefix(contents)),
        scripts=dict(_scripts(_text(folder / "entry_points.txt"))),
        requires=tuple(_requirements(_text(folder / "METADATA"))),
    )


def _prefix(contents: Contents) -> str:
    return f"{contents.platform.site_packages(contents.python)}/"


def _text(path: Path) -> str:
    try:
        return read_regular(path, most=_MOST).decode(errors="replace")
    except OSError:
        return ""


def _top_level(files: Iterable[str], prefix: str) -> dict[str, str]:
    """Return the outermost packages, those of namespaces included, and the modules beside them, each with its file."""
    inside = [path.removeprefix(prefix).split("/") for path in sorted(files) if path.startswith(prefix)]
    packages = {tuple(folders): file for *folders, file in inside if file.startswith("__init__.")}
    found: dict[str, str] = {}
    for *folders, file in inside:
        stem, _, ending = file.partition(".")
        if ending == "py" and not folders and stem.isidentifier():
            found[stem] = f"{prefix}{file}"
        for count in range(1, len(folders) + 1):
            package = tuple(folders[:count])
            if package in packages:
                if all(part.isidentifier() for part in package):
                    found[".".join(package)] = f"{prefix}{'/'.join((*package, packages[package]))}"
                break
    usual = {name: path for name, path in found.items() if name not in _SLOPPY and not in_tests(name)}
    public = {name: path for name, path in usual.items() if not name.startswith("_")}
    return public or usual


def _scripts(text: str) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # Names differ by case.
    try:
        parser.read_string(text)
    except Error:
        return
    for group in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(group) if parser.has_section(group) else ():
            if match := _ENTRY.fullmatch(value.strip()):
                extras = re.split(r"\s*,\s*", (match["extras"] or "").strip())
                yield name, (match["module"], tuple(filter(None, extras)))


def _requirements(text: str) -> Iterator[Requirement]:
    for value in HeaderParser().parsestr(text).get_all("Requires-Dist", ()):
        try:
            yield Requirement(value)
        except (InvalidRequirement, RecursionError):
            continue
