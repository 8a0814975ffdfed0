"""Reports of verifications that passed: the same bytes are not verified twice on one machine."""

from __future__ import annotations

import os
import platform
import stat
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bundle.artifacts.store.json_cache import JsonCache
from bundle.base.folders import listing
from bundle.make.verify.checks.byte_scan import names_any, patterns_for
from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.checks.policy import Policy
from bundle.model import revisions
from bundle.model.platforms import Platform
from bundle.model.records import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class _Passed:
    """A report, and the forbidden folders that no file of the bundle names."""

    report: Report
    searched: tuple[str, ...]


class PassedReports:
    """The reports of bundles that passed under a policy.

    Another project forbids other folders. For these alone the files are searched again; all else that was found holds.
    """

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._reports = JsonCache(folder, partial(from_json, _Passed), rules=revisions.VERIFICATION)
        self._policy = policy

    def find(self, digest: str, tree: Path, target: Platform) -> Report | None:
        """Return the report of a bundle that passed on this machine.

        Args:
            digest: of all its bytes.
            tree: the bundle.
            target: its platform.
        """
        passed = self._reports.find(self._key(digest))
        forbidden = {str(path) for path in self._policy.forbidden}
        if passed is None:
            return None
        if any(map(_depends, passed.report.findings)) and forbidden != {*passed.searched}:
            return None
        others = [path for path in self._policy.forbidden if str(path) not in passed.searched]
        if others and _names(tree, others, target):
            return None
        if others:
            self._keep(digest, passed.report, {*passed.searched, *forbidden})
        return passed.report

    def add(self, digest: str, report: Report) -> None:
        """Keep a report without errors; bundles with errors are verified again."""
        if report.ok:
            self._keep(digest, replace(report, seconds=0.0, runner=""), set(map(str, self._policy.forbidden)))

    def _keep(self, digest: str, report: Report, searched: set[str]) -> None:
        self._reports.put(self._key(digest), to_json(_Passed(report=report, searched=tuple(sorted(searched)))))

    def _key(self, digest: str) -> list[object]:
        machine = [platform.system(), platform.machine(), platform.release(), *platform.libc_ver()]
        return [digest, machine, replace(self._policy, forbidden=()).as_json()]


def _depends(finding: Finding) -> bool:
    """Return whether a finding of a bundle that passed may be about one of the forbidden folders."""
    return finding.rule in ("too-common", "run-path-of-build") or (finding.rule, finding.severity) == (
        "build-path",
        "error",
    )


def _names(tree: Path, folders: list[Path], target: Platform) -> bool:
    """Return whether some file of a bundle names one of the folders, or may do so unseen."""
    patterns, common = patterns_for(folders, (), target)
    sizes = {path: status.st_size for path, status in listing(tree).items() if stat.S_ISREG(status.st_mode)}
    return bool(common) or names_any(tree, sizes, patterns, jobs=os.cpu_count() or 1)
