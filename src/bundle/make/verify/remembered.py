"""Reports of verifications that passed: the same bytes are not verified twice on one machine."""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import partial
from pathlib import Path

from bundle.artifacts.store.json_cache import JsonCache
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.model import revisions
from bundle.model.records import from_json, to_json


class PassedReports:
    """The reports of bundles that passed under a policy."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._reports = JsonCache(folder, partial(from_json, Report), rules=revisions.VERIFICATION)
        self._policy = policy.as_json()

    def find(self, digest: str) -> Report | None:
        """Return the report of a bundle that passed on this machine, by the digest of all its bytes."""
        return self._reports.find(self._key(digest))

    def add(self, digest: str, report: Report) -> None:
        """Keep a report without errors; bundles with errors are verified again."""
        if report.ok:
            self._reports.put(self._key(digest), to_json(replace(report, seconds=0.0, runner="")))

    def _key(self, digest: str) -> list[object]:
        machine = [platform.system(), platform.machine(), platform.release(), *platform.libc_ver()]
        return [digest, machine, self._policy]
