"""A `pyproject.toml` as requirements: the project itself, with extras and dependency groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundle.base.http.urls import redact
from bundle.base.text import did_you_mean
from bundle.make.inputs.gathered import Gathered, toml
from bundle.model.config.json_source import Leaf, Origin


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a project that are asked for beside its dependencies."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735)."""


def read_pyproject(path: Path, parts: Parts, gathered: Gathered) -> None:
    """Add a project as a wheel, or, where it names no build backend, its dependencies alone."""
    text = gathered.read(path)
    if text is None:
        return
    origin = Origin(gathered.shown(path))
    try:
        document = toml(text)
    except ValueError as error:
        gathered.refuse(origin, f"it is not TOML: {error}.", "Correct the TOML there.")
        return
    _Reader(path, text, parts, gathered).read(document, origin)


class _Reader:
    def __init__(self, path: Path, text: str, parts: Parts, gathered: Gathered) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._parts = parts
        self._gathered = gathered

    def read(self, document: Mapping[str, Any], origin: Origin) -> None:
        project = document.get("project")
        groups = document.get("dependency-groups")
        optional = project.get("optional-dependencies") if isinstance(project, dict) else None
        if "build-system" in document:
            folder = self._path.parent
            if self._known("extra", self._parts.extras, optional, origin, dynamic=True):
                self._gathered.add_folder(folder, self._parts.extras, base=folder, origin=origin)
        elif isinstance(project, dict):
            self._add(project.get("dependencies", []), origin)
            if self._known("extra", self._parts.extras, optional, origin) and isinstance(optional, dict):
                for extra, texts in optional.items():
                    if canonicalize_name(extra) in map(canonicalize_name, self._parts.extras):
                        self._add(texts, origin)
        elif not self._parts.groups:
            what = "it has neither [build-system] nor [project]."
            self._gathered.refuse(origin, what, "Name a requirements file, or a project's pyproject.toml with --group.")
        if self._known("group", self._parts.groups, groups, origin) and isinstance(groups, dict):
            try:
                self._add(resolve_dependency_groups(groups, *self._parts.groups), origin)
            except (ValueError, TypeError, LookupError, AttributeError, ExceptionGroup, RecursionError) as error:
                what = f"[dependency-groups] is not valid: {error}."
                self._gathered.refuse(origin, what, "Correct it as PEP 735 says.")

    def _known(self, kind: str, wanted: Sequence[str], table: Any, origin: Origin, *, dynamic: bool = False) -> bool:
        """Return whether a table has all parts that are asked for; the others become problems."""
        known = {canonicalize_name(name): name for name in table} if isinstance(table, dict) else {}
        missing = [name for name in wanted if canonicalize_name(name) not in known]
        if dynamic and not isinstance(table, dict):
            return True  # The build backend may have them; a missing one is warned of.
        for name in missing:
            hint = did_you_mean(name, known.values())
            remedy = f"The {kind}s are {', '.join(known.values()) or 'none'}."
            self._gathered.refuse(origin, f"there is no {kind} {name!r}.{hint}", remedy)
        return not missing

    def _add(self, texts: Any, origin: Origin) -> None:
        for text in texts if isinstance(texts, list | tuple) else [texts]:
            where = Origin(origin.file, self._line_of(text) if isinstance(text, str) else None)
            try:
                self._gathered.dependencies.append(Leaf(str(Requirement(text)), where))
            except (InvalidRequirement, TypeError, RecursionError):
                what = f"{redact(str(text))} is not a requirement."
                self._gathered.refuse(where, what, "Write a requirement, such as name==1.2.3.")

    def _line_of(self, text: str) -> int | None:
        """Return the first line that holds a text as a string; TOML readers tell no lines."""
        forms = (f'"{text}"', f"'{text}'")
        return next((number for number, line in enumerate(self._lines, 1) if any(one in line for one in forms)), None)
