"""What the solver's versions mean under the policy: a file for each package, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.threads import in_parallel
from bundle.make.resolve.coverage import Cell
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.gaps import Gap, dependents, missing_error, still_wanted
from bundle.make.resolve.policy import Decision, Policy, wheel_platforms
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.solver import Solution
from bundle.make.resolve.solver_index import SolverIndex
from bundle.make.resolve.source_metadata import SourceMetadata, SourceTree
from bundle.model.config.config import Config
from bundle.model.locks.lock import LockedFile, LockedPackage, SkippedPackage

if TYPE_CHECKING:
    from bundle.base.report import Reporter


class FileSelection:
    """The packages of a bundle, and what is left out.

    Args:
        config: the version's configuration.
        policy: what was decided for each version.
        solution: the versions.
        candidates: the index that they come from.
        directs: those that come from addresses.
    """

    def __init__(
        self,
        config: Config,
        policy: Policy,
        solution: Solution,
        candidates: SolverIndex,
        directs: DirectPackages,
    ) -> None:
        self._config = config
        self._platform = policy.target.platform
        self._policy = policy
        self._versions = solution.versions
        self._required_by = solution.required_by
        self._candidates = candidates
        self._directs = directs

    def skipped(self, reporter: Reporter) -> tuple[SkippedPackage, ...]:
        """Return what is left out, by rule or because it has no usable file, with what depended on that."""
        rules = self._policy.packages.skip
        by_rule = [
            SkippedPackage(name=name, reason=rules[name], required_by=self._required_by[name], kind="skipped")
            for name in self._versions
            if name in rules
        ]
        gaps = [gap for name in self._versions if name not in rules for gap in self._gap(name)]
        if gaps and self._policy.packages.resolution.strict_missing:
            raise missing_error(gaps, self._platform.key, self._config.version, self._cells(gaps))
        missing = [
            SkippedPackage(
                name=gap.name,
                version=gap.version,
                reason=gap.reason,
                required_by=gap.required_by,
                kind="missing",
                available=gap.available,
            )
            for gap in gaps
        ]
        missing += [
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

    def packages(
        self, skipped: Sequence[SkippedPackage], shelf: RegistryFiles, needs: SourceMetadata, *, parallel: int
    ) -> tuple[LockedPackage, ...]:
        """Return everything else, file by file."""
        gone = {one.name for one in skipped if one.kind == "missing"}
        left_out = {one.name for one in skipped}
        names = sorted(still_wanted(self._required_by, gone) - left_out)
        from_registry = [name for name in names if name not in self._directs]
        chosen = {name: self._file(name) for name in from_registry}
        located = in_parallel(shelf.locked, [chosen[name] for name in from_registry], threads=parallel)
        files: dict[str, LockedFile] = {}
        for name, outcome in zip(from_registry, located, strict=True):
            if isinstance(outcome, Exception):
                raise outcome
            files[name] = outcome
        return tuple(self._package(name, files.get(name), frozenset(names), shelf, needs) for name in names)

    def _package(
        self, name: str, file: LockedFile | None, names: frozenset[str], shelf: RegistryFiles, needs: SourceMetadata
    ) -> LockedPackage:
        tree: SourceTree | None = None
        vcs = None
        available: tuple[str, ...] = ()
        direct = name in self._directs
        if direct:
            found = self._directs.found(name)
            decision, file, vcs, tree = found.decision, found.file, found.vcs, found.tree
        else:
            candidate = (self._candidates.candidates(name) or {})[self._versions[name]]
            decision = candidate.decision
            if decision.kind == "source" and decision.file is not None:
                tree = shelf.tree(candidate.release, decision.file)
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
            direct=direct and vcs is None,
            build=needs.build(tree) if tree is not None else (),
            available=available,
        )

    def _cells(self, gaps: Sequence[Gap]) -> dict[str, Cell]:
        """Return what becomes of every package: where there are gaps, nothing else tells."""
        rules = self._policy.packages.skip
        missing = {gap.name: gap for gap in gaps}
        cells = {}
        for name, version in self._versions.items():
            if name in rules:
                cells[name] = Cell(decision="skipped", version=None, reason=rules[name])
            elif name in missing:
                gap = missing[name]
                cells[name] = Cell(decision="missing", version=gap.version, reason=gap.reason, available=gap.available)
            else:
                decision = self._decision(name)
                cells[name] = Cell(decision=decision.kind, version=str(version), reason=decision.reason)
        return cells

    def _decision(self, name: str) -> Decision:
        if name in self._directs:
            return self._directs.found(name).decision
        return (self._candidates.candidates(name) or {})[self._versions[name]].decision

    def _file(self, name: str) -> RemoteFile:
        file = self._decision(name).file
        if file is None:
            raise ValueError(f"{name} has no file")
        return file

    def _gap(self, name: str) -> list[Gap]:
        version = self._versions[name]
        decision = self._decision(name)
        if decision.kind != "missing":
            return []
        available: tuple[str, ...] = ()
        if name not in self._directs:
            available = wheel_platforms((self._candidates.candidates(name) or {})[version].release.wheels)
        return [
            Gap(
                name=name,
                version=str(version),
                reason=decision.reason,
                required_by=self._required_by[name],
                available=available,
            )
        ]
