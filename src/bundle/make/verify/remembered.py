"""Reports of verifications that passed: the same bytes are not verified twice on one machine."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bundle.base.files import canonical_json, write_atomically
from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.checks.policy import Policy

RULES = 4
"""Raised whenever the checks look at more, or differently."""


class PassedReports:
    """The reports of bundles that passed.

    Args:
        folder: where they are kept.
        policy: the conditions under which they passed.
    """

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._folder = folder
        self._policy = policy.as_json()

    def find(self, digest: str) -> Report | None:
        """Return the report of a bundle that passed on this machine.

        Args:
            digest: of all bytes of the bundle.
        """
        try:
            value = json.loads(self._path(digest).read_bytes())
            findings = tuple(Finding(**{**one, "details": tuple(one["details"])}) for one in value["findings"])
            return Report(
                findings=findings,
                checked=value["checked"],
                seconds=0.0,
                floor=value["floor"],
                licences=value["licences"],
            )
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def add(self, digest: str, report: Report) -> None:
        """Keep a report without errors; bundles with errors are verified again."""
        if report.ok:
            value: dict[str, Any] = {
                "findings": [asdict(finding) for finding in report.findings],
                "checked": dict(report.checked),
                "floor": dict(report.floor),
                "licences": dict(report.licences),
            }
            write_atomically(self._path(digest), canonical_json(value))

    def _path(self, digest: str) -> Path:
        machine = [platform.system(), platform.machine(), platform.release(), *platform.libc_ver()]
        name = hashlib.sha256(canonical_json([RULES, digest, machine, self._policy])).hexdigest()
        return self._folder / f"{name}.json"
