"""What the import check accepts: errors that are known, each with the reason why it does no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from bundle.base.errors import ConfigError, Problems
from bundle.base.text import did_you_mean
from bundle.model.config.json_source import Node, Origin, Table, at, path_text, plain, read

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

FILE = "import-allowlist.json"
"""The file's name, in a version's folder and beside shared-config.json."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """One accepted error."""

    package: str
    """A glob of normalised package names."""
    module: str
    """The module's dotted name, or a console script as `bin/NAME`."""
    error: str
    """Text that the error must contain."""
    reason: str
    """Why the bundle is right all the same."""
    origin: Origin
    """Where the entry was written."""
    shared: bool
    """Whether it applies to every version."""

    def covers(self, package: str) -> bool:
        """Return whether the entry speaks of a package, given by its normalised name."""
        return fnmatchcase(package, self.package)


@dataclass(frozen=True)
class AllowList:
    """All entries that apply to one version, the version's own first."""

    entries: tuple[Allowed, ...] = ()
    home: str = field(default=FILE, compare=False, repr=False)
    """The file for further entries, relative to the project."""

    def about(self, package: str, module: str) -> tuple[Allowed, ...]:
        """Return the entries for a module of a package, given by its normalised name."""
        return tuple(entry for entry in self.entries if entry.module == module and entry.covers(package))

    def accepting(self, package: str, module: str, error: str) -> Allowed | None:
        """Return the entry that accepts an error, None if there is none.

        Args:
            package: the package's normalised name.
            module: the module's dotted name, or a script as `bin/NAME`.
            error: everything that the interpreter said.
        """
        return next((entry for entry in self.about(package, module) if entry.error in error), None)

    def unused(
        self, used: Collection[Allowed], *, packages: Iterable[str], absent: Collection[str]
    ) -> tuple[Allowed, ...]:
        """Return the entries that accepted nothing, although they could have.

        A shared entry counts only where its package is in the bundle; the version's own always, unless the package is
        one that was left out.

        Args:
            used: the entries that accepted an error.
            packages: normalised names of what is in the bundle.
            absent: normalised names of what was left out on purpose.
        """
        present = tuple(packages)

        def idle(entry: Allowed) -> bool:
            if entry in used:
                return False
            if any(entry.covers(package) for package in present):
                return True
            return not entry.shared and not any(entry.covers(package) for package in absent)

        return tuple(entry for entry in self.entries if idle(entry))


def load_allowlist(project: Path, version: str | None) -> AllowList:
    """Read the shared allow-list and a version's own; a file that does not exist holds no entries.

    Args:
        project: the folder of shared-config.json.
        version: a folder name under `versions/`; None for the shared one alone.

    Raises:
        ConfigError: a file is no JSON, or not of the schema; names file, line and JSON path, all problems at once.
    """
    problems = Problems()
    own: tuple[Allowed, ...] = ()
    home = FILE if version is None else f"versions/{version}/{FILE}"
    if version is not None:
        own = _read(project, home, problems, shared=False)
    shared = _read(project, FILE, problems, shared=True)
    problems.raise_if_any("The import allow-list is not valid.")
    named = {(entry.package, entry.module) for entry in own}
    return AllowList((*own, *(entry for entry in shared if (entry.package, entry.module) not in named)), home)


def schema() -> dict[str, Any]:
    """Return the JSON schema of an allow-list."""
    content: dict[str, Any] = json.loads(files("bundle.model.config").joinpath("allowlist.schema.json").read_bytes())
    return content


def _read(project: Path, file: str, problems: Problems, *, shared: bool) -> tuple[Allowed, ...]:
    path = project / file
    if not path.exists():
        return ()
    node = read(path, file, problems)
    if node is None:
        return ()
    before = len(problems.errors)
    _validate(node, file, problems)
    if len(problems.errors) > before or not isinstance(node, Table):
        return ()
    entries: list[Allowed] = []
    for glob, modules in node.items():
        if not isinstance(modules, Table):  # the `$schema` that an editor wants
            continue
        for module, entry in modules.items():
            value = plain(entry)
            entries.append(
                Allowed(
                    # The glob's own characters are none that normalising touches.
                    package=canonicalize_name(glob),
                    module=module,
                    error=value["error"],
                    reason=value["reason"],
                    origin=entry.origin,
                    shared=shared,
                )
            )
    return tuple(entries)


def _validate(node: Node, file: str, problems: Problems) -> None:
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema()).iter_errors(plain(node))
    for error in sorted(errors, key=lambda error: [str(step) for step in error.absolute_path]):
        path = tuple(error.absolute_path)
        place = at(node, path)
        where = file if place is None else str(place.origin)
        problems.add(
            ConfigError(
                f"{where}: {path_text(path) or 'the file'}: {_reason(error)}",
                remedy='Write {"PACKAGE": {"MODULE": {"error": "text of the error", "reason": "why it is fine"}}}.',
            )
        )


def _reason(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        unknown = [key for key in error.instance if key not in known]
        return " ".join(f'unknown key "{key}".{did_you_mean(key, known)}' for key in unknown)
    if error.validator == "required":
        return f"{re.sub(' is a required property$', ' is missing', error.message)}."
    if error.validator == "pattern":
        return "is empty." if not str(error.instance).strip() else f'"{error.instance}" is no module or script name.'
    return f"{error.message}."
