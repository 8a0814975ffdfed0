"""Static metadata and build requirements of a source tree; nothing is run."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.metadata import Metadata, RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pyproject_hooks import quiet_subprocess_runner

from bundle.base.errors import IntegrityError, WorkError
from bundle.base.extract import extract, read_selected

if TYPE_CHECKING:
    from build import ProjectBuilder
    from pyproject_hooks import SubprocessRunner

LARGEST_METADATA = 16 * 2**20
"""Bytes; a PKG-INFO with a whole manual as its description stays far below."""

_SHAPING = frozenset({"name", "version", "requires-dist", "requires-python", "provides-extra"})
"""Core metadata that a resolution depends on."""

_SHAPING_PROJECT = frozenset({"name", "version", "dependencies", "optional-dependencies", "requires-python"})
"""The same in the words of the `[project]` table."""


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """A source, whether an sdist or a commit of a repository."""

    name: str
    version: str
    """Empty where only its build can tell."""
    identity: str
    """sha256 of the file, or the commit."""
    unpacked: Callable[[Path], Path]
    """Makes the source folder in an absent folder."""

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}".strip()


def unpack_source(sdist: Path, into: Path) -> Path:
    """Unpack an sdist.

    Args:
        sdist: a `.tar.gz` or `.zip`; not trusted.
        into: an empty or absent folder.

    Returns:
        The single folder that the sdist holds.

    Raises:
        IntegrityError: the archive is unsafe, or does not hold exactly one folder.
    """
    into.mkdir(parents=True, exist_ok=True)
    extract(sdist, into)
    found = sorted(into.iterdir())
    if len(found) != 1 or found[0].is_symlink() or not found[0].is_dir():
        raise IntegrityError(
            f"{sdist.name} is not a source distribution: it must have exactly one top folder.",
            details=[f"it holds: {', '.join(entry.name for entry in found[:10]) or 'nothing'}"],
        )
    return found[0]


def static_requires(source: Path) -> tuple[str, ...]:
    """Return the requirements of a source's build backend (PEP 518).

    Returns:
        PEP 508 requirements, sorted; `setuptools>=40.8.0` where the source names none (PEP 517).

    Raises:
        WorkError: the source is no Python project, or its pyproject.toml is not valid.
    """
    requires = open_project(source, sys.executable).build_system_requires
    try:
        return tuple(sorted({str(Requirement(text)) for text in requires}))
    except (InvalidRequirement, RecursionError) as error:
        raise _not_valid(source, error) from error


def open_project(source: Path, python: str, runner: SubprocessRunner = quiet_subprocess_runner) -> ProjectBuilder:
    """Return the build frontend for a source, without running anything yet.

    Args:
        python: the interpreter that the build backend runs with.
        runner: runs the hooks of the backend.

    Raises:
        WorkError: the source is no Python project, or its pyproject.toml is not valid.
    """
    from build import BuildException, ProjectBuilder

    try:
        return ProjectBuilder(source, python_executable=python, runner=runner)
    except (BuildException, ValueError) as error:
        raise _not_valid(source, error) from error


def _not_valid(source: Path, error: Exception) -> WorkError:
    return WorkError(
        f"{source.name} cannot be built from source: {error}",
        cause="The source does not follow the packaging standards.",
        remedy="Choose another version, or one that has a wheel, or skip the package there (packages.skip).",
    )


def static_metadata(source: Path) -> bytes | None:
    """Return a source's core metadata where it can be known without running the source's code.

    That is so for a PKG-INFO that declares its dependencies final (PEP 643), and for a `[project]` table that spells
    out name, version and dependencies (PEP 621).

    Args:
        source: an sdist file, or a source folder.

    Returns:
        The content of a METADATA file, reduced to what a resolution needs if it comes from `[project]`; None if only
        the build backend can tell.

    Raises:
        IntegrityError: the file is no readable archive.
    """
    files = dict(_wanted_from_folder(source) if source.is_dir() else _wanted_from_archive(source))
    if (info := files.get("PKG-INFO")) and _is_final(info):
        return info
    if project := files.get("pyproject.toml"):
        return _from_project(project)
    return None


def _wanted_from_folder(source: Path) -> Iterator[tuple[str, bytes]]:
    names = ["pyproject.toml"]
    if not (source / ".git").exists():
        # In a repository it is a leftover of an earlier build; only an sdist's PKG-INFO describes its source.
        names.append("PKG-INFO")
    for name in names:
        file = source / name
        if file.is_file() and not file.is_symlink() and file.stat().st_size <= LARGEST_METADATA:
            yield name, file.read_bytes()


def _wanted_from_archive(sdist: Path) -> Iterator[tuple[str, bytes]]:
    for path, content in read_selected(sdist, _is_wanted, most=LARGEST_METADATA):
        yield path.rpartition("/")[2], content if len(content) <= LARGEST_METADATA else b""


def _is_wanted(path: str) -> bool:
    parts = path.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] in {"PKG-INFO", "pyproject.toml"}


def _is_final(info: bytes) -> bool:
    raw, _ = parse_email(info)
    try:
        if Version(raw.get("metadata_version", "0")) < Version("2.2"):
            return False
        if _SHAPING & {field.lower() for field in raw.get("dynamic", ())}:
            return False
        metadata = Metadata.from_raw(raw, validate=False)
        # Reading them parses them: a requirement that packaging cannot read cannot be resolved.
        return all((metadata.name, metadata.version)) and all(map(str, metadata.requires_dist or ()))
    except (ValueError, RecursionError):
        return False


def _from_project(pyproject: bytes) -> bytes | None:
    try:
        project = tomllib.loads(pyproject.decode()).get("project")
        if not isinstance(project, dict) or not _spells_out(project):
            return None
        raw = RawMetadata(metadata_version="2.2", name=project["name"], version=project["version"])
        extras: Mapping[str, list[str]] = project.get("optional-dependencies", {})
        raw["requires_dist"] = [
            *(str(Requirement(text)) for text in project["dependencies"]),
            *(_with_extra(text, extra) for extra, texts in extras.items() for text in texts),
        ]
        raw["provides_extra"] = [canonicalize_name(extra) for extra in extras]
        if "requires-python" in project:
            raw["requires_python"] = project["requires-python"]
        return Metadata.from_raw(raw).as_rfc822().as_bytes()
    except (ValueError, TypeError, AttributeError, ExceptionGroup, RecursionError):
        # Not valid, so not static: the backend reports the fault better.
        return None


def _spells_out(project: Mapping[str, Any]) -> bool:
    # A table without `dependencies` promises that there are none, but older backends took them from elsewhere.
    return {"name", "version", "dependencies"} <= project.keys() and not _SHAPING_PROJECT & set(
        project.get("dynamic", ())
    )


def _with_extra(text: str, extra: str) -> str:
    requirement = Requirement(text)
    condition = f'extra == "{canonicalize_name(extra)}"'
    requirement.marker = Marker(f"({requirement.marker}) and {condition}" if requirement.marker else condition)
    return str(requirement)
