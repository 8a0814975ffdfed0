"""Shared and version configuration made one, and each value still knows its file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from deepmerge import Merger
from packaging.utils import canonicalize_name

from bundle.model.config.json_source import Array, Leaf, Node, Origin, Step, Table, origins, path_text, plain
from bundle.model.config.patterns import BY_PLATFORM, expanded

WINS = "version wins"
DEEP = "deep"
NAMED = "deep, by normalised name"
REMOVABLE = "deep, null removes"
NAMED_REMOVABLE = "deep, by normalised name, null removes"
EITHER = "deep, url or path"
APPEND = "append"
UNION = "union, shared first"
UNION_NAMES = "union, normalised, shared first"
UNION_URLS = "union by URL, shared first"

Rules: TypeAlias = Mapping[tuple[str, ...], str]

RULES: Rules = {
    ("registries", "additional"): UNION_URLS,
    ("interpreter", "archives", "*"): EITHER,
    ("packages", "constraints"): APPEND,
    ("packages", "hashes"): NAMED,
    ("packages", "overrides"): NAMED,
    ("packages", "sets"): REMOVABLE,
    ("packages", "sets", "*", "overrides"): NAMED,
    ("packages", "skip"): NAMED_REMOVABLE,
    ("packages", "skip", "*"): REMOVABLE,
    ("packages", "forceSource"): NAMED_REMOVABLE,
    ("packages", "forceSource", "*"): REMOVABLE,
    ("packages", "buildWheel"): NAMED,
    ("packages", "noDeps"): UNION_NAMES,
    ("packages", "resolution", "allowSourceList"): UNION_NAMES,
    ("packages", "resolution", "forceNoBinaryList"): UNION_NAMES,
    ("packages", "resolution", "onlyBinaryList"): UNION_NAMES,
    ("packages", "wheels"): APPEND,
    ("packages", "copyFiles"): APPEND,
    ("packages", "platformSpecific", "*", "dependencies"): UNION,
    ("packages", "platformSpecific", "*", "copyFiles"): APPEND,
    ("packages", "platformSpecific", "*", "overrides"): NAMED,
    ("packages", "platformSpecific", "*", "noDeps"): UNION_NAMES,
    ("packages", "platformSpecific", "*", "resolution", "allowSourceList"): UNION_NAMES,
    ("packages", "platformSpecific", "*", "resolution", "forceNoBinaryList"): UNION_NAMES,
    ("packages", "platformSpecific", "*", "resolution", "onlyBinaryList"): UNION_NAMES,
    ("verify", "accept"): APPEND,
    ("runtime", "environment", "*"): REMOVABLE,
}
"""How the two files are merged where it is not the rule of the type: tables deep, all else `version wins`."""

_FOLD_RULES: Rules = {
    ("dependencies",): UNION,
    ("copyFiles",): APPEND,
    ("overrides",): NAMED,
    ("noDeps",): UNION_NAMES,
}
"""How `platformSpecific.<platform>` goes into the packages around it; of its resolution the keys present win."""


class Merged:
    """A merged configuration."""

    def __init__(self, tree: Table) -> None:
        self.tree = tree

    @cached_property
    def value(self) -> dict[str, Any]:
        """The plain JSON value."""
        return {key: plain(value) for key, value in self.tree.items()}

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """Where each leaf, and each empty table or list, was written; keys as `path_text` gives them."""
        return {path_text(path): origin for path, origin in origins(self.tree) if path}

    def folded(self, platform_key: str) -> Merged:
        """Return what holds on one platform: its `platformSpecific` applied, and nothing of other platforms left."""
        tree = Table(self.tree.origin, self.tree.items())
        for key in ("interpreter", "build"):
            section = tree.get(key)
            if isinstance(section, Table) and isinstance(section.get("archives"), Table):
                tree = _replaced(tree, key, _replaced(section, "archives", _only(section["archives"], platform_key)))
        runtime = tree.get("runtime")
        if isinstance(runtime, Table) and isinstance(runtime.get("environment"), Table):
            tree = _replaced(
                tree, "runtime", _replaced(runtime, "environment", _only(runtime["environment"], platform_key))
            )
        packages = tree.get("packages")
        if not isinstance(packages, Table):
            return Merged(tree)
        general = Table(packages.origin, ((key, value) for key, value in packages.items() if key != "platformSpecific"))
        specific = packages.get("platformSpecific")
        own = specific.get(platform_key) if isinstance(specific, Table) else None
        folded = _merge(general, own, _FOLD_RULES) if isinstance(own, Table) else general
        for key in BY_PLATFORM:
            named = folded.get(key)
            if isinstance(named, Table):
                left = Table(named.origin, ((name, _only(entry, platform_key)) for name, entry in named.items()))
                folded = _replaced(folded, key, left)
        if folded:
            tree["packages"] = folded
        else:
            del tree["packages"]
        return Merged(tree)


def merge(shared: Table, version: Table) -> Merged:
    """Merge a version's configuration into the shared one, both valid under the schema.

    Returns:
        The result; package names that are keys, and lists of them, are normalised (PEP 503).
    """
    return Merged(_merge(_merge(Table(shared.origin), expanded(shared), RULES), expanded(version), RULES))


def rule(path: tuple[str, ...], rules: Rules = RULES) -> str | None:
    """Return the rule for a path, in which `*` stands for any one key; None where the rule of the type applies."""
    for pattern, name in rules.items():
        if len(pattern) == len(path) and all(want in ("*", key) for want, key in zip(pattern, path, strict=True)):
            return name
    return None


def _only(node: Node, platform_key: str) -> Table:
    """Return a table of platforms with the entry of one platform alone."""
    members = node.items() if isinstance(node, Table) else ()
    return Table(node.origin, (member for member in members if member[0] == platform_key))


def _replaced(table: Table, key: str, entry: Table) -> Table:
    """Return a copy of a table with another entry; without it, if nothing is left of what was there."""
    copy = Table(table.origin, table.items())
    before = table[key]
    empty = {name for name, value in before.items() if value == {}} if isinstance(before, Table) else set()
    kept = Table(entry.origin, ((name, value) for name, value in entry.items() if value != {} or name in empty))
    if kept or not before:
        copy[key] = kept
    else:
        del copy[key]
    return copy


def _merge(base: Table, further: Table, rules: Rules) -> Table:
    def lists(_: Merger, path: list[Step], base: Array, further: Array) -> Array:
        return _LISTS[rule(_keys(path), rules) or WINS](base, further)

    def tables(merger: Merger, path: list[Step], base: Table, further: Table) -> Table:
        how = rule(_keys(path), rules) or DEEP
        named = how in (NAMED, NAMED_REMOVABLE)
        removable = how in (REMOVABLE, NAMED_REMOVABLE)
        if how == EITHER and not further.keys().isdisjoint(_PLACES):
            for place in _PLACES - further.keys():
                base.pop(place, None)
        for key, value in further.items():
            name = canonicalize_name(key) if named else key
            if removable and isinstance(value, Leaf) and value.value is None:
                base.pop(name, None)
                continue
            # Against an empty one of its kind, so that a value which only one side has is normalised and copied, too.
            base[name] = merger.value_strategy([*path, name], base.get(name, _empty(value)), value)
            if removable and base[name] == {}:
                del base[name]
        if not base:
            base.origin = further.origin
        return base

    merger = Merger([(list, [lists]), (dict, [tables])], ["override"], ["override"])
    result = merger.merge(_copied(base), further)
    if not isinstance(result, Table):
        raise TypeError(f"merging tables gave a {type(result).__name__}")
    return result


_PLACES = {"url", "path"}


def _keys(path: list[Step]) -> tuple[str, ...]:
    return tuple(str(step) for step in path)


def _copied(node: Table) -> Table:
    """Return a copy whose tables may be changed; lists and leaves are never changed in place."""
    members = ((key, _copied(value) if isinstance(value, Table) else value) for key, value in node.items())
    return Table(node.origin, members)


def _empty(node: Node) -> Node:
    if isinstance(node, Table):
        return Table(node.origin)
    if isinstance(node, Array):
        return Array(node.origin)
    return node


def _union(base: Array, further: Array) -> Array:
    seen: dict[str, Node] = {}
    for element in base + further:
        seen.setdefault(str(plain(element)), element)
    return Array(further.origin, list(seen.values()))


def _union_names(base: Array, further: Array) -> Array:
    both = [Leaf(canonicalize_name(str(plain(element))), element.origin) for element in base + further]
    return _union(Array(base.origin), Array(further.origin, both))


def _union_urls(base: Array, further: Array) -> Array:
    """Unite by URL: a registry tied to packages in both files serves both sets; else the version says whether it is."""
    by_url: dict[str, Node] = {}
    for element in base + further:
        url = str(plain(element["url"] if isinstance(element, Table) else element)).rstrip("/")
        before = by_url.get(url)
        if isinstance(before, Table) and isinstance(element, Table):
            by_url[url] = _tied_to_both(before, element)
        else:
            by_url[url] = element
    return Array(further.origin, list(by_url.values()))


def _tied_to_both(first: Table, second: Table) -> Table:
    ours, theirs = first.get("packages"), second.get("packages")
    tied = Table(first.origin, first.items())
    if isinstance(ours, Array) and isinstance(theirs, Array):
        tied["packages"] = _union(ours, theirs)
    return tied


_LISTS: Mapping[str, Callable[[Array, Array], Array]] = {
    WINS: lambda _, further: further,
    APPEND: lambda base, further: base + further,
    UNION: _union,
    UNION_NAMES: _union_names,
    UNION_URLS: _union_urls,
}
