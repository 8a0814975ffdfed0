"""Findings that the configuration accepts, each with a reason, and acceptances that accept nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.model.acceptance import Acceptance


def accept(
    findings: Sequence[Finding], acceptances: Sequence[Acceptance], *, files: Collection[str], ran: Collection[str]
) -> tuple[Finding, ...]:
    """Mark the findings that are accepted, and add a finding for each acceptance that accepts nothing.

    Args:
        acceptances: of several that fit, the first counts.
        files: everything in the bundle, by path relative to its root.
        ran: names of the checks that ran; acceptances of the others cannot be judged.
    """
    used: set[Acceptance] = set()
    marked: list[Finding] = []
    for finding in findings:
        entries = [entry for entry in acceptances if entry.concerns(finding.rule, finding.file)]
        # An entry that expects another error is not useless: the finding names it.
        used.update(entries)
        shown = "\n".join((finding.message, *finding.details, finding.output))
        fitting = next((entry for entry in entries if entry.error in shown), None)
        if fitting is not None:
            finding = replace(finding, accepted=fitting.reason)
        elif entries:
            finding = replace(finding, message=f'{finding.message} verify.accept expects "{entries[0].error}".')
        marked.append(finding)
    unused = (entry for entry in dict.fromkeys(acceptances) if entry not in used)
    return (
        *marked,
        *(_unused(entry, files) for entry in unused if entry.rule in RULES and RULES[entry.rule].check in ran),
    )


def _unused(acceptance: Acceptance, files: Collection[str]) -> Finding:
    there = any(fnmatchcase(path, acceptance.files) for path in files)
    severity: Severity = "warning" if there else "note"
    # The shared configuration is for all versions and platforms; most bundles lack most of those files.
    why = "nothing is wrong with its files" if there else "no file of this bundle fits"
    subject = f"{acceptance.rule}: {acceptance.files}"
    message = f"this entry of verify.accept accepts nothing: {why}."
    return RULES["unused-acceptance"].about(subject, message, severity=severity)
