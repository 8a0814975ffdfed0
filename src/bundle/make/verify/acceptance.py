"""Findings that the configuration accepts, each with a reason, and acceptances that accept nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.model.config.config import Acceptance


def accept(
    findings: Sequence[Finding], acceptances: Sequence[Acceptance], *, files: Collection[str], ran: Collection[str]
) -> tuple[Finding, ...]:
    """Mark the findings that are accepted, and add a finding for each acceptance that is of no use.

    Args:
        findings: what the checks found.
        acceptances: what the configuration accepts; of several that fit, the first counts.
        files: everything in the bundle, by path relative to its root.
        ran: names of the checks that ran; of the others nothing is known.
    """
    used: set[int] = set()
    marked: list[Finding] = []
    for finding in findings:
        fitting = [place for place, acceptance in enumerate(acceptances) if _fits(acceptance, finding)]
        used.update(fitting)
        marked.append(replace(finding, accepted=acceptances[fitting[0]].reason) if fitting else finding)
    for place, acceptance in enumerate(acceptances):
        if place not in used and RULES[acceptance.rule].check in ran:
            marked.append(_unused(acceptance, files))
    return tuple(marked)


def _fits(acceptance: Acceptance, finding: Finding) -> bool:
    return finding.rule == acceptance.rule and bool(finding.file) and fnmatchcase(finding.file, acceptance.files)


def _unused(acceptance: Acceptance, files: Collection[str]) -> Finding:
    there = any(fnmatchcase(path, acceptance.files) for path in files)
    severity: Severity = "warning" if there else "note"
    # The shared configuration speaks of all versions and platforms; most bundles lack most of those files.
    why = "nothing is wrong with its files any more" if there else "no file of this bundle fits"
    rule = RULES["unused-acceptance"]
    return Finding(
        check=rule.check,
        rule=rule.name,
        severity=severity,
        subject=f"{acceptance.rule}: {acceptance.files}",
        message=f"verify.accept accepts nothing with it: {why}.",
        remedy=rule.remedy if there else "",
    )
