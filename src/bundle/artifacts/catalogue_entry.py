"""What the catalogue says of one bundle: plain values, the same for the same inputs, so without any time of making."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from bundle.artifacts.store.layers import Conflict, Layer

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class PythonRecord:
    """Which CPython was asked for, and which is inside."""

    requested: str
    actual: str
    source: str
    """The interpreter source that it came from."""

    @property
    def substituted(self) -> bool:
        """Whether another patch release is inside than was asked for."""
        return self.requested != self.actual


@dataclass(frozen=True, kw_only=True)
class ArchiveRecord:
    """One archive of the bundle."""

    format: str
    path: str
    """Relative to the folder that the catalogue speaks of, with `/`."""
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """One layer of the bundle."""

    digest: str
    kind: str
    name: str
    version: str
    size: int

    @classmethod
    def of(cls, layer: Layer) -> LayerRecord:
        """Return what the catalogue says of a layer."""
        return cls(digest=layer.digest, kind=layer.kind, name=layer.name, version=layer.version, size=layer.size)


@dataclass(frozen=True, kw_only=True)
class PackageRecord:
    """One package of the bundle, and why it is there in that form."""

    name: str
    version: str
    decision: Literal["wheel", "source"]
    reason: str
    file: str
    """Name of the wheel or source archive that the lock chose."""
    sha256: str
    required_by: tuple[str, ...]
    """Names of the packages that need it; empty text stands for the configuration."""


@dataclass(frozen=True, kw_only=True)
class SkippedRecord:
    """One package that was left out, and why."""

    name: str
    kind: Literal["skipped", "missing"]
    """`skipped` by a rule of the configuration, or `missing`: nothing usable exists."""
    reason: str
    required_by: tuple[str, ...]
    available: tuple[str, ...] = ()
    """What does exist of a missing one."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One bundle."""

    version: str
    platform: str
    path: str
    """The bundle's folder, relative to the folder that the catalogue speaks of, with `/`."""
    digest: str
    """Stands for the whole content of the bundle."""
    size: int
    """Bytes of all its files together."""
    python: PythonRecord
    archives: tuple[ArchiveRecord, ...]
    layers: tuple[LayerRecord, ...]
    packages: tuple[PackageRecord, ...]
    skipped: tuple[SkippedRecord, ...]
    conflicts: tuple[Conflict, ...]
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all of it runs on, measured, such as `{"glibc": "2.28"}`; empty where nothing tells."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of the catalogue's file."""
        value: dict[str, Any] = _plain(self)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Read the JSON value of the catalogue's file.

        Raises:
            KeyError, TypeError: something is missing or too much.
        """
        parts = dict(value)
        return cls(
            python=_record(PythonRecord, parts.pop("python")),
            archives=_records(ArchiveRecord, parts.pop("archives")),
            layers=_records(LayerRecord, parts.pop("layers")),
            packages=_records(PackageRecord, parts.pop("packages")),
            skipped=_records(SkippedRecord, parts.pop("skipped")),
            conflicts=_records(Conflict, parts.pop("conflicts")),
            floor=dict(parts.pop("floor", {})),
            **parts,
        )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__dataclass_fields__"):
        return {_camel(part.name): _plain(getattr(value, part.name)) for part in fields(value)}
    return value


def _record(kind: type[Record], value: Mapping[str, Any]) -> Record:
    return kind(**{_snake(name): tuple(item) if isinstance(item, list) else item for name, item in value.items()})


def _records(kind: type[Record], values: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    return tuple(_record(kind, value) for value in values)


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)
