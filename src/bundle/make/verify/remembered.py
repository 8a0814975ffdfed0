"""Reports of verifications that passed: the same bytes are not verified twice on one machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from bundle.artifacts.store.json_cache import JsonCache
from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.checks.policy import Policy

RULES = 4
"""Raised whenever the checks look at more, or differently."""


class PassedReports:
    """The reports of bundles that passed under a policy."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._reports = JsonCache(folder, _report, rules=RULES)
        self._policy = policy.as_json()

    def find(self, digest: str) -> Report | None:
        """Return the report of a bundle that passed on this machine, by the digest of all its bytes."""
        return self._reports.find(self._key(digest))

    def add(self, digest: str, report: Report) -> None:
        """Keep a report without errors; bundles with errors are verified again."""
        if report.ok:
            value: dict[str, Any] = {
                "findings": [finding.as_json() for finding in report.findings],
                "checked": dict(report.checked),
                "floor": dict(report.floor),
                "licences": dict(report.licences),
            }
            self._reports.put(self._key(digest), value)

    def _key(self, digest: str) -> list[object]:
        machine = [platform.system(), platform.machine(), platform.release(), *platform.libc_ver()]
        return [digest, machine, self._policy]


def _report(value: dict[str, Any]) -> Report:
    findings = tuple(Finding(**{**one, "details": tuple(one["details"])}) for one in value["findings"])
    return Report(
        findings=findings,
        checked=value["checked"],
        seconds=0.0,
        floor=value["floor"],
        licences=value["licences"],
    )
