"""The decision on each package on each platform of a version, and what a new lock changes against the last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bundle.base.errors import MissingPackageError
from bundle.base.text import shortened
from bundle.model.locks.lock import Lock, LockedPackage, SkippedPackage

Decision = Literal["wheel", "source", "skipped", "missing"]

COVERED: tuple[Decision, ...] = ("wheel", "source")
"""Decisions by which a bundle has the package, or can have it on the right machine."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The decision on one package on one platform."""

    decision: Decision
    version: str | None
    """None for a package that a rule skips before its versions are known."""
    reason: str
    available: tuple[str, ...] = ()
    """Tags of the wheels that do exist, where it is missing or comes as source."""

    @property
    def note(self) -> str | None:
        """The remark on it for people; None for an ordinary wheel."""
        if self.decision == "wheel":
            return self.reason if self.reason != PLAIN_WHEEL else None
        if self.decision == "missing" and self.available:
            return f"{self.reason}; wheels exist for: {shortened(self.available)}"
        return self.reason

    def as_json(self) -> dict[str, Any]:
        """Return the cell as the JSON value that `bundle lock --json` prints."""
        return asdict(self)


PLAIN_WHEEL = "a compatible wheel"
"""The reason of a package that comes as a registry's wheel; it is not shown."""

Cells = Mapping[str, Cell]
"""One platform's column, by package name."""


class GapsError(MissingPackageError):
    """The packages of one platform that have no usable file, after a resolution that found versions.

    Args:
        cells: the decision on every package of the platform, those with a usable file included.
    """

    def __init__(self, what: str, *, details: Sequence[str], cells: Cells, remedy: str | None = None) -> None:
        super().__init__(what, details=details, remedy=remedy)
        self.cells = cells

    def as_json(self) -> dict[str, Any]:
        """Return the error as the JSON value that `--json` prints, under the name that all such errors have."""
        return {**super().as_json(), "error": MissingPackageError.__name__}


def cells_of(lock: Lock) -> dict[str, Cell]:
    """Return a lock's decision on each package."""
    return {name: cell_of(package) for name, package in _by_name(lock).items()}


def _by_name(lock: Lock) -> dict[str, LockedPackage | SkippedPackage]:
    packages: list[LockedPackage | SkippedPackage] = [*lock.packages, *lock.skipped]
    return {package.name: package for package in packages}


def cell_of(package: LockedPackage | SkippedPackage) -> Cell:
    """Return the decision on a package that a lock has or leaves out."""
    return Cell(decision=package.kind, version=package.version, reason=package.reason, available=package.available)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A package of the last lock that the new one lacks, although something still requires it."""

    name: str
    platform: str
    was: Cell
    now: Cell

    def __str__(self) -> str:
        was, now = self.was, self.now
        return (
            f"lost: {self.name} on {self.platform} "
            f"(was {was.decision} {was.version}, now {now.decision}: {now.reason.rstrip('.')})"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the loss as the JSON value that `bundle lock --json` prints."""
        return {**asdict(self), "what": str(self)}


def losses(old: Lock | None, cells: Cells) -> tuple[Loss, ...]:
    """Return the packages that a lock covers and its successor does not.

    A package that nothing requires any more is no loss.

    Args:
        cells: of the same platform, by the new resolution.
    """
    if old is None:
        return ()
    return tuple(
        Loss(name=name, platform=old.platform, was=was, now=cells[name])
        for name, was in sorted(cells_of(old).items())
        if was.decision in COVERED and name in cells and cells[name].decision not in COVERED
    )


def broken_skips(locks: Iterable[Lock]) -> tuple[str, ...]:
    """Return a warning for each package that a rule skips although one that stays requires it.

    Args:
        locks: of one version; platforms with the same reason share a warning.
    """
    platforms: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for lock in locks:
        staying = {package.name for package in lock.packages}
        for one in lock.skipped:
            askers = tuple(sorted(staying.intersection(one.required_by)))
            if askers and one.kind == "skipped":
                platforms.setdefault((one.name, one.reason, askers), []).append(lock.platform)
    return tuple(
        f"{name} is skipped for {', '.join(dict.fromkeys(keys))} ({reason.rstrip('.')}), but "
        f"{' and '.join(askers)}, which {'stays' if len(askers) == 1 else 'stay'}, "
        f"{'requires' if len(askers) == 1 else 'require'} it there. Skip "
        f"{'that' if len(askers) == 1 else 'those'} as well (packages.skip), or install "
        f"{'it' if len(askers) == 1 else 'them'} without dependencies (packages.noDeps)."
        for (name, reason, askers), keys in platforms.items()
    )


@dataclass(frozen=True, kw_only=True)
class Change:
    """A package whose version or decision differs between two locks of one platform."""

    name: str
    before: str | None
    """The version and, unless it is a wheel, the decision; None if the last lock did not have the package."""
    now: str | None
    """The same of the new lock."""
    why: str

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.name} {self.now} ({self.why})"
        if self.now is None:
            return f"- {self.name} {self.before} ({self.why})"
        return f"  {self.name} {self.before} -> {self.now} ({self.why})"


def changes(old: Lock | None, new: Lock) -> tuple[Change, ...]:
    """Return the difference between the last lock and the new one, by name; none where there was no lock."""
    if old is None:
        return ()
    before, now = _by_name(old), _by_name(new)
    pairs = ((name, before.get(name), now.get(name)) for name in sorted({*before, *now}))
    return tuple(
        Change(name=name, before=_form(was), now=_form(after), why=_why(after))
        for name, was, after in pairs
        if _form(was) != _form(after)
    )


def _form(package: LockedPackage | SkippedPackage | None) -> str | None:
    if package is None:
        return None
    return " ".join(filter(None, (package.version, package.kind if package.kind != "wheel" else "")))


def _why(package: LockedPackage | SkippedPackage | None) -> str:
    if package is None:
        return "nothing requires it any more"
    if package.reason != PLAIN_WHEEL:
        return package.reason.rstrip(".")
    return f"required by {', '.join(asker or 'the configuration' for asker in package.required_by)}"


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Package x platform of one version."""

    version: str
    columns: Mapping[str, Cells | None]
    """By platform key; None where no resolution came to an end."""

    @property
    def names(self) -> tuple[str, ...]:
        """The packages of all platforms."""
        return tuple(sorted({name for cells in self.columns.values() if cells for name in cells}))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a package, over all platforms."""
        found = (cells[name].version for cells in self.columns.values() if cells and name in cells)
        return tuple(dict.fromkeys(version for version in found if version is not None))

    def as_json(self) -> dict[str, Any]:
        """Return the table as the JSON value that `bundle lock --json` prints."""
        return {
            "version": self.version,
            "platforms": list(self.columns),
            "unresolved": [key for key, cells in self.columns.items() if cells is None],
            "packages": [
                {
                    "name": name,
                    "platforms": {
                        key: cells[name].as_json() for key, cells in self.columns.items() if cells and name in cells
                    },
                }
                for name in self.names
            ],
        }

    def table(self) -> tuple[list[str], list[list[str]], list[str]]:
        """Return the heading, the rows and the footnotes, for people.

        A package that a platform does not need is a dash there; if the versions differ, each cell has its version.
        """
        notes: dict[str, int] = {}
        rows = []
        for name in self.names:
            versions = self.versions(name)
            alone = len(versions) == 1
            columns = self.columns.values()
            shown = ["?" if cells is None else _shown(cells.get(name), notes, alone=alone) for cells in columns]
            rows.append([f"{name} {versions[0]}" if alone else name, *shown])
        return ["package", *self.columns], rows, [f"[{number}] {text}" for text, number in notes.items()]


def _shown(cell: Cell | None, notes: dict[str, int], *, alone: bool) -> str:
    if cell is None:
        return "-"
    parts = [cell.decision if alone or cell.version is None else f"{cell.decision} {cell.version}"]
    if cell.note is not None:
        parts.append(f"[{notes.setdefault(cell.note, len(notes) + 1)}]")
    return " ".join(parts)
