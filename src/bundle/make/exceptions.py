"""Exceptions and acceptances of a configuration for packages that no lock has: leftovers, or names misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase

from bundle.base.errors import BundleError, Problems
from bundle.base.text import did_you_mean
from bundle.make.resolve.coverage import cells_of
from bundle.model.acceptance import package_and_versions
from bundle.model.config.config import Config
from bundle.model.config.json_source import KeyPath, Node, Table, at, path_text, plain
from bundle.model.config.merge import Merged, merge
from bundle.model.config.project import SHARED, Loaded, Project, own_file
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock

EXCEPTIONS = ("skip", "forceSource", "buildWheel", "overrides")
"""The keys of `packages` that make exceptions for single packages."""

_PYTHON = "python"
"""Stands for the interpreter in an acceptance."""


def locks_of(project: Project, version: str) -> list[Lock]:
    """Return the locks that a version has.

    Raises:
        BundleError: one cannot be read.
    """
    return [read_lock(path) for path in project.locks(version)]


def unused_exceptions(loaded: Loaded, locks: Sequence[Lock]) -> Iterator[str]:
    """Yield a warning for each exception and acceptance in a version's own file whose package is in no lock."""
    locked = _names_in(locks)
    for path, name, origin in _exceptions(loaded.tree, own_file(loaded.config.version)):
        if not any(fnmatchcase(one, name) for one in locked):
            hint = did_you_mean(name, locked)
            yield f"{origin}: {path}: {name} is in no lock of this version; remove the entry if it is not needed.{hint}"
    yield from _unused_acceptances(loaded.config, locks)


def unused_acceptances(project: Project, config: Config, lock: Lock) -> Iterator[str]:
    """Yield a warning for each acceptance in a version's own file whose package is in none of its locks.

    Args:
        lock: one of them; the others are read only where it does not have the package. Where one cannot be, nothing is
            said.
    """
    if any(_unused_acceptances(config, [lock])):
        with suppress(BundleError):
            yield from _unused_acceptances(config, [lock, *locks_of(project, config.version)])


def _unused_acceptances(config: Config, locks: Sequence[Lock]) -> Iterator[str]:
    versions = [(name, cell.version) for lock in locks for name, cell in cells_of(lock).items()]
    for entry in config.verify.accept:
        if not entry.package or entry.origin.rpartition(":")[0] != own_file(config.version):
            continue
        glob, _ = package_and_versions(entry.package)
        there = [(name, version) for name, version in versions if fnmatchcase(name, glob)]
        if glob == _PYTHON or any(version is None or entry.names(name, version) for name, version in there):
            continue
        why = f"no lock of this version has it.{did_you_mean(glob, _names_in(locks))}"
        if there:
            why = f"the locks of this version have {', '.join(sorted({' '.join(filter(None, one)) for one in there}))}."
        yield f"{entry.origin}: verify.accept: {entry.package}: {why}"


def unused_shared(project: Project) -> Iterator[str]:
    """Yield the packages with unused exceptions in the shared configuration; none unless every version has a lock."""
    problems = Problems()
    shared = project.shared(problems)
    locked: set[str] = set()
    for version in project.versions():
        try:
            locks = locks_of(project, version)
        except BundleError:
            # Already a warning of that version.
            return
        if not locks:
            return
        locked |= _names_in(locks)
    if shared is None or problems.errors:
        return
    named = {name for _, name, _ in _exceptions(merge(Table(shared.origin), shared), SHARED)}
    for entry in plain(at(shared, ("verify", "accept")) or Table(shared.origin)):
        name, _ = package_and_versions(entry.get("package", _PYTHON))
        named.add(name)
    named.discard(_PYTHON)
    yield from sorted(name for name in named if not any(fnmatchcase(one, name) for one in locked))


def _names_in(locks: Iterable[Lock]) -> set[str]:
    return {name for lock in locks for name in cells_of(lock)}


def _exceptions(merged: Merged, file: str) -> Iterable[tuple[str, str, str]]:
    """Yield path, package and place of each exception in a file."""
    packages = merged.tree.get("packages")
    if not isinstance(packages, Table):
        return
    tables: list[tuple[KeyPath, Node | None]] = [(("packages", key), packages.get(key)) for key in EXCEPTIONS]
    for inner in ("platformSpecific", "sets"):
        specific = packages.get(inner)
        tables += [
            (("packages", inner, key, "overrides"), own.get("overrides"))
            for key, own in (specific.items() if isinstance(specific, Table) else ())
            if isinstance(own, Table)
        ]
    for path, table in tables:
        for name, entry in table.items() if isinstance(table, Table) else ():
            parts = [entry, *(entry.values() if isinstance(entry, Table) else ())]
            mine = [part.origin for part in parts if part.origin.file == file]
            if mine and plain(entry) is not None:
                yield path_text((*path, name)), name, str(mine[0])
