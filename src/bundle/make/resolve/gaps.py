"""Packages that were chosen and have no usable file: told all at once, or left out with what depended on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bundle.base.errors import MissingPackageError
from bundle.base.text import shortened
from bundle.make.resolve.coverage import Cells
from bundle.model.locks.lock import ROOT


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A package without a usable file."""

    name: str
    version: str
    reason: str
    required_by: tuple[str, ...]
    available: tuple[str, ...]
    """Tags of the wheels that do exist."""

    @property
    def lines(self) -> list[str]:
        """The gap for people, indented below its headline."""
        askers = ", ".join(asker or "the configuration" for asker in self.required_by)
        return [
            f"{self.name} {self.version}: {self.reason}",
            f"  asked for by: {askers}",
            f"  wheels exist for: {shortened(self.available)}",
        ]


class GapsError(MissingPackageError):
    """All gaps of one platform; the resolution as such came to its end.

    Args:
        what: names the gaps, or their number.
        details: each gap in its lines.
        cells: what becomes of every package of the platform, those with a usable file included.
    """

    def __init__(self, what: str, *, details: Sequence[str], cells: Cells) -> None:
        super().__init__(what, details=details)
        self.cells = cells

    def as_json(self) -> dict[str, Any]:
        """Return the error as the JSON value that `--json` prints, under the name that all such errors have."""
        return {**super().as_json(), "error": MissingPackageError.__name__}


def missing_error(gaps: Sequence[Gap], platform_key: str, version: str, cells: Cells) -> GapsError:
    """Return the one error that lists all gaps.

    Args:
        gaps: at least one.
        platform_key: where they are missing.
        version: the bundle's version.
        cells: what becomes of every package of the platform.
    """
    details = [line for gap in gaps for line in gap.lines]
    if len(gaps) == 1:
        gap = gaps[0]
        what = f"{gap.name} {gap.version} has no usable file for {platform_key} ({version})."
    else:
        what = f"{len(gaps)} packages have no usable file for {platform_key} ({version})."
    return GapsError(what, details=details, cells=cells)


def dependents(names: Iterable[str], required_by: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return everything that cannot be without some packages, each with the one that it needs.

    Args:
        names: the packages that are gone.
        required_by: who asks for each package.
    """
    found: dict[str, str] = {}
    gone = set(names)
    todo = sorted(gone)
    while todo:
        name = todo.pop(0)
        for asker in sorted(required_by.get(name, ())):
            if asker != ROOT and asker not in gone:
                gone.add(asker)
                found[asker] = name
                todo.append(asker)
    return found


def still_wanted(required_by: Mapping[str, Sequence[str]], gone: Iterable[str]) -> set[str]:
    """Return the packages that something still asks for when others are gone.

    Args:
        required_by: who asks for each package.
        gone: the packages that are left out.
    """
    left = set(required_by) - set(gone)
    wanted: set[str] = set()
    grown = True
    while grown:
        more = {name for name in left - wanted if any(one == ROOT or one in wanted for one in required_by[name])}
        wanted |= more
        grown = bool(more)
    return wanted
