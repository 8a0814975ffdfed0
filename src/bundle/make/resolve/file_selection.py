"""A file for each version that the solver chose, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.text import shortened
from bundle.base.threads import all_of, in_parallel
from bundle.make.resolve.coverage import Cell, Cells, GapsError, cell_of
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.policy import OTHER_PYTHON, Decision, wheel_platforms
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.solver import Solution, nearest
from bundle.make.resolve.solver_index import Candidate, SolverIndex
from bundle.make.resolve.source_metadata import SourceMetadata
from bundle.make.sources.sdist import SourceTree
from bundle.model.config.config import Config
from bundle.model.locks.lock import ROOT, LockedFile, LockedPackage, SkippedPackage
from bundle.model.platforms import PLATFORMS, short_version
from bundle.model.wheeltags import ANY_SYSTEM, best_rank, tag_ranks

if TYPE_CHECKING:
    from bundle.base.report import Reporter


class FileSelection:
    """The packages of a bundle, and those that are left out."""

    def __init__(self, config: Config, index: SolverIndex, solution: Solution, directs: DirectPackages) -> None:
        self._config = config
        self._index = index
        self._platform = index.policy.target.platform
        self._skip = index.policy.packages.skip
        self._versions = solution.versions
        self._required_by = solution.required_by
        self._directs = directs

    def skipped(self, reporter: Reporter) -> tuple[SkippedPackage, ...]:
        """Return the packages that are left out, by rule or for lack of a file, with those that depend on the latter.

        Raises:
            GapsError: packages have no usable file, and `strictMissing` is set.
        """
        by_rule = [
            SkippedPackage(name=name, reason=self._skip[name], required_by=self._required_by[name], kind="skipped")
            for name in self._versions
            if name in self._skip
        ]
        gaps = [gap for name in self._versions if name not in self._skip for gap in self._gap(name)]
        if gaps and self._index.policy.packages.resolution.strict_missing:
            remedies = {gap.name: () if gap.name in self._directs else self._remedies(gap.name) for gap in gaps}
            cells = self._cells((*by_rule, *gaps))
            raise missing_error(gaps, self._platform.key, self._config.title, cells, remedies=remedies)
        missing = gaps + [
            SkippedPackage(
                name=name,
                version=str(self._versions[name]),
                reason=f"it needs {needed}, which is missing",
                required_by=self._required_by[name],
                kind="missing",
            )
            for name, needed in dependents((gap.name for gap in gaps), self._required_by).items()
        ]
        for one in missing:
            reporter.warning(f"{one.name} {one.version} is left out on {self._platform.key}: {one.reason}.")
        return tuple(sorted((*by_rule, *missing), key=lambda one: one.name))

    def warn(self, reporter: Reporter) -> None:
        """Warn of chosen files that their publishers withdrew, and of extras that packages do not have."""
        for name, version in self._versions.items():
            if name in self._skip or name in self._directs:
                continue
            file = self._decision(name).file
            if file is not None and file.yanked is not None:
                why = f": {file.yanked.rstrip('.')}." if file.yanked else ", without a reason."
                reporter.warning(f"{name} {version} was withdrawn by its publisher{why} Choose another version.")
        for line in self._index.unknown_extras(self._versions):
            reporter.warning(line)

    def packages(
        self, skipped: Sequence[SkippedPackage], files: RegistryFiles, sources: SourceMetadata
    ) -> tuple[LockedPackage, ...]:
        """Return all other packages, each with its file."""
        gone = {one.name for one in skipped if one.kind == "missing"}
        left_out = {one.name for one in skipped}
        names = sorted(still_wanted(self._required_by, gone) - left_out)
        from_registry = [name for name in names if name not in self._directs]
        chosen = [self._file(name) for name in from_registry]
        located = in_parallel(files.locked, chosen, threads=self._config.build.parallel_downloads)
        found = dict(zip(from_registry, all_of(located), strict=True))
        return tuple(self._package(name, found.get(name), frozenset(names), files, sources) for name in names)

    def _package(
        self, name: str, file: LockedFile | None, names: frozenset[str], files: RegistryFiles, sources: SourceMetadata
    ) -> LockedPackage:
        tree: SourceTree | None = None
        vcs = None
        available: tuple[str, ...] = ()
        folder = ""
        direct = name in self._directs
        if direct:
            found = self._directs.found(name)
            decision, file, vcs, tree, folder = found.decision, found.file, found.vcs, found.tree, found.folder
        else:
            candidate = self._candidate(name)
            decision = candidate.decision
            if decision.kind == "source" and decision.file is not None:
                tree = files.tree(candidate.release, decision.file)
                available = wheel_platforms(candidate.release.wheels)
        return LockedPackage(
            name=name,
            version=str(self._versions[name]),
            kind="source" if tree is not None else "wheel",
            file=file,
            reason=decision.reason,
            required_by=tuple(asker for asker in self._required_by[name] if not asker or asker in names),
            dependencies=tuple(sorted(other for other in names if name in self._required_by[other])),
            vcs=vcs,
            folder=folder,
            direct=direct and file is not None,
            build=sources.build(tree) if tree is not None else (),
            available=available,
        )

    def _cells(self, left_out: Sequence[SkippedPackage]) -> dict[str, Cell]:
        """Return the decision on every package, for an error in place of a lock."""
        cells = {one.name: cell_of(one) for one in left_out}
        for name, version in self._versions.items():
            if name not in cells:
                decision = self._decision(name)
                cells[name] = Cell(decision=decision.kind, version=str(version), reason=decision.reason)
        return cells

    def _candidate(self, name: str) -> Candidate:
        return (self._index.candidates(name) or {})[self._versions[name]]

    def _decision(self, name: str) -> Decision:
        return self._directs.found(name).decision if name in self._directs else self._candidate(name).decision

    def _file(self, name: str) -> RemoteFile:
        file = self._decision(name).file
        if file is None:
            raise ValueError(f"{name} has no file")
        return file

    def _gap(self, name: str) -> list[SkippedPackage]:
        decision = self._decision(name)
        if decision.kind != "missing":
            return []
        direct = name in self._directs
        return [
            SkippedPackage(
                name=name,
                version=str(self._versions[name]),
                reason=decision.reason,
                required_by=self._required_by[name],
                kind="missing",
                available=() if direct else wheel_platforms(self._candidate(name).release.wheels),
            )
        ]

    def _remedies(self, name: str) -> tuple[str, ...]:
        """Return what the registry has in place of a missing file: for other platforms, and of other versions."""
        candidates, version = self._index.candidates(name) or {}, self._versions[name]
        admits = self._index.policy.target.admits
        wheels = [file.filename for file in candidates[version].release.wheels if admits(file.requires_python)]
        python = short_version(self._config.python)
        ranks = {key: tag_ranks(platform, self._config.python, ANY_SYSTEM) for key, platform in PLATFORMS.items()}
        served = [key for key, fitting in ranks.items() if any(best_rank(one, fitting) is not None for one in wheels)]
        usable = [other for other, one in candidates.items() if one.decision.kind != "missing"]
        lines = [f"wheels for Python {python} exist for: {', '.join(served)}"] if served else []
        near = nearest(usable, [version]) if usable else []
        return (*lines, *([f"versions with a usable file here: {', '.join(map(str, near))}"] if near else []))


def missing_error(
    gaps: Sequence[SkippedPackage],
    platform_key: str,
    version: str,
    cells: Cells,
    *,
    remedies: Mapping[str, Sequence[str]],
) -> GapsError:
    """Return the one error that lists all gaps.

    Args:
        gaps: at least one.
        version: the bundle's.
        remedies: further lines by the name of a missing package.
    """
    # A package that the configuration names comes before those that it needs.
    gaps = sorted(gaps, key=lambda gap: ROOT not in gap.required_by)
    details = [line for gap in gaps for line in (*_lines(gap), *(f"  {text}" for text in remedies.get(gap.name, ())))]
    missing = f"{gaps[0].name} {gaps[0].version} has" if len(gaps) == 1 else f"{len(gaps)} packages have"
    remedy = None
    if all(gap.reason.startswith(OTHER_PYTHON) for gap in gaps):
        remedy = "Choose another version of the package or of Python, or skip it there (packages.skip) with a reason."
    what = f"{missing} no usable file for {platform_key} ({version})."
    return GapsError(what, details=details, cells=cells, remedy=remedy)


def _lines(gap: SkippedPackage) -> list[str]:
    """Return a gap for people, indented below its headline."""
    askers = ", ".join(asker or "the configuration" for asker in gap.required_by)
    return [
        f"{gap.name} {gap.version}: {gap.reason}",
        f"  asked for by: {askers}",
        f"  wheels exist for: {shortened(gap.available)}",
    ]


def dependents(names: Iterable[str], required_by: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the packages that depend on missing ones, directly or not, each with the one that it needs."""
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
    """Return the packages that something still asks for when others are gone."""
    left = set(required_by) - set(gone)
    wanted: set[str] = set()
    while more := {name for name in left - wanted if any(one == ROOT or one in wanted for one in required_by[name])}:
        wanted |= more
    return wanted
