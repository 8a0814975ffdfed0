"""Whether what is installed in a bundle is whole: the packages that it requires are there, and of the right version."""

from __future__ import annotations

import re
from collections.abc import Collection

from packaging.utils import canonicalize_name

from bundle.base.errors import WorkError
from bundle.base.text import last_lines
from bundle.make.verify.checks.findings import Finding, Outcome, Severity
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.imports import inconclusive, no_interpreter
from bundle.make.verify.trials.isolation import Isolation

REQUIREMENTS = "requirements"

_TIMEOUT = 120.0
_MISSING = re.compile(r"(?P<package>\S+) \S+ requires (?P<required>\S+), which is not installed\.")
_CONFLICT = re.compile(r"(?P<package>\S+) \S+ has requirement (?P<required>.+), but you have (?P<found>\S+) \S+\.")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_requirements(subject: Subject, isolation: Isolation) -> Outcome:
    """Let the bundle's own pip say whether every package has what it requires."""
    count = len(subject.contents.distributions)
    try:
        completed = isolation.run_python(["-m", "pip", "check"], timeout=_TIMEOUT)
    except WorkError as error:
        return Outcome(findings=(no_interpreter(REQUIREMENTS, error),))
    if completed.code == 0:
        return Outcome(checked=count)
    findings = tuple(
        judge_complaint(line, skipped=subject.skipped, relaxed=subject.relaxed)
        for line in completed.output.splitlines()
        if line.strip()
    )
    if completed.code != 1 or not findings:
        evidence = last_lines(completed.errors or completed.output)
        if words := isolation.runner.inconclusive(completed):
            return Outcome(findings=(inconclusive(REQUIREMENTS, "pip check", words, evidence),))
        findings = (_requirement_finding("error", "pip check", "does not run in the bundle.", details=evidence),)
    return Outcome(findings=findings, checked=count)


def judge_complaint(line: str, *, skipped: Collection[str], relaxed: Collection[str]) -> Finding:
    """Return what a line of `pip check` means.

    Args:
        line: one complaint.
        skipped: normalised names of packages that were left out on purpose; that they are missing is a note.
        relaxed: normalised names of packages whose version, or whose lack of dependencies, was decided against their
            metadata: what others say of them, or they of others, is a warning.
    """
    severity: Severity = "error"
    subject = "pip check"
    for pattern in (_MISSING, _CONFLICT):
        if match := pattern.fullmatch(line.strip()):
            subject = canonicalize_name(match["package"])
            named = _NAME.match(match["required"])
            required = canonicalize_name(named[0]) if named else ""
            if pattern is _MISSING and required in skipped:
                severity = "note"
            elif {subject, required} & set(relaxed):
                severity = "warning"
    return _requirement_finding(severity, subject, line.strip())


def _requirement_finding(severity: Severity, subject: str, message: str, *, details: tuple[str, ...] = ()) -> Finding:
    return Finding(
        check=REQUIREMENTS,
        severity=severity,
        subject=subject,
        message=message,
        remedy="" if severity == "note" else "Add the package, skip it with a reason (packages.skip), or override.",
        details=details,
    )
