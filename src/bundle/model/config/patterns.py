"""Patterns in place of names: of packages in rules, and of platforms in the tables that say where a rule holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

from bundle.model.config.json_source import Node, Table
from bundle.model.platforms import PLATFORMS

T = TypeVar("T")

BY_PLATFORM = ("skip", "forceSource", "buildWheel")
"""The keys of `packages` whose entries say for each platform on its own whether they apply there."""


class ByName(Mapping[str, T]):
    """Values by normalised name, in which a key may be a glob; an exact name wins, then the first glob that fits."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        if name in self._entries:
            return self._entries[name]
        return self._entries[next((glob for glob in self._entries if fnmatchcase(name, glob)), name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def platform_keys(pattern: str) -> tuple[str, ...]:
    """Return the platforms that a key stands for: `linux-x64`, `macosx-*`, or with `!` in front all others."""
    wanted = pattern.removeprefix("!")
    found = {key for key in PLATFORMS if fnmatchcase(key, wanted)}
    return tuple(key for key in PLATFORMS if found and (key in found) != pattern.startswith("!"))


def expanded(file: Table) -> Table:
    """Return a configuration file with a platform's key in place of each pattern; an exact key wins."""
    whole = Table(file.origin, file.items())
    packages, runtime = file.get("packages"), file.get("runtime")
    if isinstance(packages, Table):
        members = ((key, _expanded_rules(value) if key in BY_PLATFORM else value) for key, value in packages.items())
        whole["packages"] = Table(packages.origin, members)
    if isinstance(runtime, Table) and isinstance(variables := runtime.get("environment"), Table):
        united = Table(runtime.origin, {**runtime, "environment": _united(variables)}.items())
        whole["runtime"] = united
    return whole


def _united(tables: Table) -> Table:
    """Return for each platform all members of the tables that stand for it; those of an exact key win."""
    found = Table(tables.origin)
    for pattern, table in sorted(tables.items(), key=lambda item: item[0] in PLATFORMS):
        if not isinstance(table, Table):
            continue
        for key in platform_keys(pattern):
            before = found.get(key)
            members = [*(before.items() if isinstance(before, Table) else ()), *table.items()]
            found[key] = Table(table.origin, members)
    return found


def _expanded_rules(rules: Node) -> Node:
    if not isinstance(rules, Table):
        return rules
    return Table(rules.origin, ((name, _by_platform(entry)) for name, entry in rules.items()))


def _by_platform(entry: Node) -> Node:
    if not isinstance(entry, Table):
        return entry
    patterns = {pattern: value for pattern, value in entry.items() if pattern not in PLATFORMS}
    keys = {key: value for pattern, value in patterns.items() for key in platform_keys(pattern)}
    exact = {key: value for key, value in entry.items() if key in PLATFORMS}
    return Table(entry.origin, {**keys, **exact}.items())
