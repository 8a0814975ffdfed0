"""The requirements check: every package that an installed one requires is there, in a version that fits."""

from __future__ import annotations

import re
from collections.abc import Collection

from packaging.utils import canonicalize_name

from bundle.base.errors import WorkError
from bundle.base.text import last_lines
from bundle.make.verify.checks.findings import Finding, Outcome, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.failure import inconclusive, no_interpreter
from bundle.make.verify.trials.isolation import Isolation

CHECK = "requirements"

_TIMEOUT = 120.0
_MISSING = re.compile(r"(?P<package>\S+) \S+ requires (?P<required>\S+), which is not installed\.")
_CONFLICT = re.compile(r"(?P<package>\S+) \S+ has requirement (?P<required>.+), but you have (?P<found>\S+) \S+\.")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_requirements(subject: Subject, isolation: Isolation) -> Outcome:
    """Run the bundle's own `pip check`."""
    count = len(subject.contents.distributions)
    try:
        completed = isolation.run_python(["-m", "pip", "check"], timeout=_TIMEOUT)
    except WorkError as error:
        return Outcome(findings=(no_interpreter(CHECK, error),))
    if completed.code == 0:
        return Outcome(checked=count)
    findings = tuple(
        judge_complaint(line, skipped=subject.skipped, relaxed=subject.relaxed)
        for line in completed.output.splitlines()
        if line.strip()
    )
    if completed.code != 1 or not findings:
        details = last_lines(completed.errors or completed.output)
        if words := isolation.inconclusive(completed):
            return Outcome(findings=(inconclusive("pip-fails", "pip check", words, details),))
        findings = (RULES["pip-fails"].about("pip check", "does not run in the bundle.", details=details),)
    return Outcome(findings=findings, checked=count)


def judge_complaint(line: str, *, skipped: Collection[str], relaxed: Collection[str]) -> Finding:
    """Return the finding for a line of `pip check`.

    Args:
        skipped: normalised names of packages that were left out on purpose; their absence is a note.
        relaxed: normalised names of packages with an override or without dependencies; conflicts of theirs, or of
            others with them, are a warning.
    """
    line = line.strip()
    missing = _MISSING.fullmatch(line)
    match = missing or _CONFLICT.fullmatch(line)
    if match is None:
        return RULES["pip-fails"].about("pip check", line)
    package = canonicalize_name(match["package"])
    named = _NAME.match(match["required"])
    required = canonicalize_name(named[0]) if named else ""
    severity: Severity | None = None
    if missing and required in skipped:
        severity = "note"
    elif {package, required} & set(relaxed):
        severity = "warning"
    rule = RULES["requirement-missing" if missing else "requirement-conflict"]
    return rule.about(package, line, severity=severity)
