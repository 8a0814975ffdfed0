"""Whether what is installed in a bundle is whole: the files that it recorded, the packages that it requires."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection

from packaging.utils import canonicalize_name

from bundle.base.errors import WorkError
from bundle.make.findings import Finding, Outcome, Severity
from bundle.make.imports import no_interpreter
from bundle.make.inspected import Inspected, last_lines

RECORDS = "records"
REQUIREMENTS = "requirements"

_TIMEOUT = 120.0
_MISSING = re.compile(r"(?P<package>\S+) \S+ requires (?P<required>\S+), which is not installed\.")
_CONFLICT = re.compile(r"(?P<package>\S+) \S+ has requirement (?P<required>.+), but you have (?P<found>\S+) \S+\.")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_records(inspected: Inspected) -> Outcome:
    """Look for every file that a distribution's RECORD names; nothing is run."""
    files = inspected.contents.files
    findings: list[Finding] = []
    checked = 0
    for distribution in inspected.contents.distributions:
        for path, size in distribution.files.items():
            if "__pycache__" in path.split("/"):
                continue
            checked += 1
            status = files.get(path)
            if status is None:
                outside = path.startswith(("/", "../"))
                what = "is recorded, and lies outside the bundle." if outside else "is recorded, and missing."
                findings.append(_record_finding("error", distribution.name, path, what))
            elif size is not None and stat.S_ISREG(status.st_mode) and status.st_size != size:
                what = f"has {status.st_size} bytes, and {size} are recorded: something else replaced it."
                findings.append(_record_finding("warning", distribution.name, path, what))
    return Outcome(findings=tuple(findings), checked=checked)


def check_requirements(inspected: Inspected) -> Outcome:
    """Let the bundle's own pip say whether every package has what it requires."""
    count = len(inspected.contents.distributions)
    try:
        completed = inspected.isolation.run_python(["-m", "pip", "check"], timeout=_TIMEOUT)
    except WorkError as error:
        return Outcome(findings=(no_interpreter(REQUIREMENTS, error),))
    if completed.code == 0:
        return Outcome(checked=count)
    findings = tuple(
        judge_complaint(line, skipped=inspected.skipped, relaxed=inspected.relaxed)
        for line in completed.output.splitlines()
        if line.strip()
    )
    if completed.code != 1 or not findings:
        evidence = last_lines(completed.errors or completed.output)
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


def _record_finding(severity: Severity, package: str, path: str, message: str) -> Finding:
    return Finding(
        check=RECORDS,
        severity=severity,
        subject=f"{package}: {path}",
        message=message,
        remedy="Build the bundle anew; if copyFiles replaced the file on purpose, all is well."
        if severity == "warning"
        else "Build the bundle anew; nothing may be removed from it.",
    )


def _requirement_finding(severity: Severity, subject: str, message: str, *, details: tuple[str, ...] = ()) -> Finding:
    return Finding(
        check=REQUIREMENTS,
        severity=severity,
        subject=subject,
        message=message,
        remedy="" if severity == "note" else "Add the package, skip it with a reason (packages.skip), or override.",
        details=details,
    )
