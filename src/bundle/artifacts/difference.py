"""The difference between two bundles, or between the locks of two: plain values, computed without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from bundle.artifacts.catalogue_entry import PackageRecord
from bundle.artifacts.described import Described
from bundle.model.manifest import LayerRecord, PythonRecord, SkippedRecord
from bundle.model.records import to_json

T = TypeVar("T")
Key = TypeVar("Key", str, tuple[str, str])


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package of a side."""

    name: str
    set: str = ""
    """The set of packages that it belongs to; empty for `packages.dependencies`."""
    version: str
    decision: str
    reason: str
    file: str
    """Name of the file that the lock chose, or the commit."""
    sha256: str

    @classmethod
    def of(cls, package: PackageRecord, set_name: str) -> Package:
        """Return a package of the catalogue as one of a set."""
        return cls(
            name=package.name,
            set=set_name,
            version=package.version,
            decision=package.decision,
            reason=package.reason,
            file=package.file,
            sha256=package.sha256,
        )


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One package that a side leaves out."""

    name: str
    set: str = ""
    kind: str
    reason: str

    @classmethod
    def of(cls, skipped: SkippedRecord, set_name: str) -> LeftOut:
        """Return what a set leaves out."""
        return cls(name=skipped.name, set=set_name, kind=skipped.kind, reason=skipped.reason)


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The oldest release of a system that all of a side runs on."""

    system: str
    release: str


@dataclass(frozen=True, kw_only=True)
class Licence:
    """A licence, and the components that have it."""

    name: str
    components: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two things that are compared; None stands for what it does not tell."""

    title: str
    kind: Literal["bundle", "lock"] = "bundle"
    version: str
    platform: str
    python: PythonRecord
    """`actual` and `source` are empty in a lock, which does not tell."""
    packages: tuple[Package, ...]
    left_out: tuple[LeftOut, ...]
    sets: frozenset[str] = frozenset({""})
    """The sets that it tells of."""
    layers: tuple[LayerRecord, ...] | None = None
    compressed: Mapping[str, int] = field(default_factory=dict)
    """Compressed bytes of layers, by digest, as far as it tells."""
    floor: Mapping[str, str] | None = None
    licences: Mapping[str, tuple[str, ...]] | None = None
    """Licences by the name of their component."""

    @classmethod
    def of(cls, described: Described, title: str) -> Side:
        """Return a bundle as a side."""
        entry = described.entry
        sets = entry.groups
        return cls(
            title=title,
            version=entry.version,
            platform=entry.platform,
            python=entry.python,
            packages=tuple(Package.of(one, name) for name, record in sets.items() for one in record.packages),
            left_out=tuple(LeftOut.of(one, name) for name, record in sets.items() for one in record.skipped),
            sets=frozenset(sets),
            layers=entry.layers,
            compressed=described.compressed,
            floor=entry.floor or None,
            licences=described.licences,
        )


@dataclass(frozen=True, kw_only=True)
class Change(Generic[T]):
    """A value that both sides have, each another."""

    before: T
    after: T


@dataclass(frozen=True, kw_only=True)
class Changes(Generic[T]):
    """Values that only one side has, and those that differ."""

    added: tuple[T, ...] = ()
    removed: tuple[T, ...] = ()
    changed: tuple[Change[T], ...] = ()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The layers that the second side has and the first does not."""

    layers: int
    size: int
    compressed: bool
    """Whether `size` counts compressed bytes; else those of the unpacked files."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the second side has other than the first; None stands for what one of them does not tell."""

    platform: Change[str] | None
    """None if both are for the same."""
    python: Change[PythonRecord] | None
    """None if both have the same."""
    packages: Changes[Package]
    left_out: Changes[LeftOut]
    layers: Changes[LayerRecord] | None
    transfer: Transfer | None
    floor: Changes[Floor] | None
    licences: Changes[Licence] | None

    @property
    def same(self) -> bool:
        """Whether nothing differs of what both sides tell."""
        found = (self.platform, self.python, self.packages, self.left_out, self.layers, self.floor, self.licences)
        return not any(found)

    @property
    def not_compared(self) -> tuple[str, ...]:
        """What one of the sides does not tell."""
        return tuple(name for name in ("layers", "floor", "licences") if getattr(self, name) is None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"same": self.same, "notCompared": list(self.not_compared), **to_json(self)}


def difference(before: Side, after: Side) -> Difference:
    """Return what differs between two sides."""
    before, after = _comparable(before, after), _comparable(after, before)
    layers = None
    if before.layers is not None and after.layers is not None:
        layers = _changed_layers(before.layers, after.layers)
    floor = None
    if before.floor is not None and after.floor is not None:
        floor = _changes(_floors(before.floor), _floors(after.floor))
    licences = None
    if before.licences is not None and after.licences is not None:
        licences = Changes(
            added=_appearing(before.licences, after.licences), removed=_appearing(after.licences, before.licences)
        )
    return Difference(
        platform=None if before.platform == after.platform else Change(before=before.platform, after=after.platform),
        python=Change(before=before.python, after=after.python) if _differ(before.python, after.python) else None,
        packages=_changes(_named(before.packages), _named(after.packages), _other_package),
        left_out=_changes(_named(before.left_out), _named(after.left_out)),
        layers=layers,
        transfer=_transfer(layers.added, after.compressed) if layers is not None else None,
        floor=floor,
        licences=licences,
    )


def changed_versions(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    """Yield what differs between versions of packages by name, for people, such as `numpy 2.2.6 -> 2.3.0`."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"+ {name} {after[name]}"
        elif name not in after:
            yield f"- {name} {before[name]}"
        elif before[name] != after[name]:
            yield f"{name} {before[name]} -> {after[name]}"


def _comparable(side: Side, other: Side) -> Side:
    """Return a side without what the other cannot have."""
    if side.kind == "lock" == other.kind:
        # Two locks are compared whatever their sets are called.
        packages = tuple(replace(one, set="") for one in side.packages)
        return replace(side, packages=packages, left_out=tuple(replace(one, set="") for one in side.left_out))
    if other.kind == "lock":
        packages = tuple(one for one in side.packages if one.set in other.sets)
        side = replace(side, packages=packages, left_out=tuple(one for one in side.left_out if one.set in other.sets))
    if side.layers is not None and other.layers is not None and not any(map(_is_own, other.layers)):
        # A bundle's folder cannot tell the digest of the layer that holds its own bundle.json.
        side = replace(side, layers=tuple(one for one in side.layers if not _is_own(one)))
    return side


def _is_own(layer: LayerRecord) -> bool:
    return layer.kind == "manifest"


def _named(values: Iterable[T]) -> dict[tuple[str, str], T]:
    return {(one.set, one.name): one for one in values}  # type: ignore[attr-defined]


def _floors(floor: Mapping[str, str]) -> dict[str, Floor]:
    return {system: Floor(system=system, release=release) for system, release in floor.items()}


def _unequal(before: T, after: T) -> bool:
    return before != after


def _changes(before: Mapping[Key, T], after: Mapping[Key, T], other: Callable[[T, T], bool] = _unequal) -> Changes[T]:
    both = sorted(before.keys() & after.keys())
    return Changes(
        added=tuple(after[key] for key in sorted(after.keys() - before.keys())),
        removed=tuple(before[key] for key in sorted(before.keys() - after.keys())),
        changed=tuple(Change(before=before[key], after=after[key]) for key in both if other(before[key], after[key])),
    )


def _changed_layers(before: Iterable[LayerRecord], after: Iterable[LayerRecord]) -> Changes[LayerRecord]:
    """Return the layers that only one side has, by name; sizes of the same layer may be counted in several ways."""
    old, new = ({one.digest: one for one in sorted(side, key=_title_of)} for side in (before, after))
    return Changes(
        added=tuple(one for digest, one in new.items() if digest not in old),
        removed=tuple(one for digest, one in old.items() if digest not in new),
    )


def _title_of(layer: LayerRecord) -> tuple[str, str, str]:
    return layer.name, layer.version, layer.digest


def _other_package(before: Package, after: Package) -> bool:
    told = before.version, before.decision, before.reason
    if told != (after.version, after.decision, after.reason):
        return True
    # A folder of the user's own has a file in a bundle, and none in a lock.
    return bool(before.file and after.file) and (before.file, before.sha256) != (after.file, after.sha256)


def _differ(before: PythonRecord, after: PythonRecord) -> bool:
    return any(
        bool(one and other) and one != other
        for one, other in (
            (before.requested, after.requested),
            (before.actual, after.actual),
            (before.source, after.source),
        )
    )


def _transfer(layers: tuple[LayerRecord, ...], compressed: Mapping[str, int]) -> Transfer:
    known = all(one.digest in compressed for one in layers)
    size = sum(compressed[one.digest] if known else one.size for one in layers)
    return Transfer(layers=len(layers), size=size, compressed=known)


def _appearing(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> tuple[Licence, ...]:
    """Return licences that only the second side has, or has for a component of which the first states another."""
    known = {name for names in before.values() for name in names}
    found: dict[str, list[str]] = {}
    for component, names in sorted(after.items()):
        for name in dict.fromkeys(names):
            if name not in known or (component in before and name not in before[component]):
                found.setdefault(name, []).append(component)
    return tuple(Licence(name=name, components=tuple(found[name])) for name in sorted(found))
