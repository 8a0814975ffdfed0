"""The verification of a bundle, remembered: the same bytes on the same machine are not run twice."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bundle.base.files import canonical_json, write_atomically
from bundle.make.verify.checks.findings import Finding, Report

RULES = 4
"""Raised whenever the checks look at more, or differently."""


class Evidence:
    """The reports of bundles that passed.

    Args:
        folder: where they are kept.
        forbidden: the folders that no file was to name; what was searched for others is no evidence for these.
    """

    def __init__(self, folder: Path, *, forbidden: Iterable[Path] = ()) -> None:
        self._folder = folder
        self._forbidden = sorted(map(str, forbidden))

    def recall(self, digest: str, allowed: object) -> Report | None:
        """Return the report of a bundle that passed on this machine.

        Args:
            digest: of all bytes of the bundle.
            allowed: the JSON value of the findings that were accepted beforehand.
        """
        try:
            value = json.loads(self._path(digest, allowed).read_bytes())
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

    def keep(self, digest: str, allowed: object, report: Report) -> None:
        """Remember a report without errors; others must be found again."""
        if report.ok:
            value: dict[str, Any] = {
                "findings": [asdict(finding) for finding in report.findings],
                "checked": dict(report.checked),
                "floor": dict(report.floor),
                "licences": dict(report.licences),
            }
            write_atomically(self._path(digest, allowed), canonical_json(value))

    def _path(self, digest: str, allowed: object) -> Path:
        machine = [platform.system(), platform.machine(), platform.release(), *platform.libc_ver()]
        name = hashlib.sha256(canonical_json([RULES, digest, machine, self._forbidden, allowed])).hexdigest()
        return self._folder / f"{name}.json"
