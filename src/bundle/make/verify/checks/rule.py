"""A rule: one kind of finding."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bundle.make.verify.checks.findings import Finding, Severity

_CONDITIONS = re.compile(r"[,;] (?:and )?(?=an? (?:note|warning|error)\b)")
"""Between the conditions in a meaning, such as `(a note where it was skipped, a warning with an override)`."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of finding."""

    name: str
    """Its name in configuration and reports."""
    check: str
    """The check that it belongs to; empty for every check that runs programs."""
    severity: Severity
    """The usual one."""
    meaning: str
    """A clause for the documentation."""
    remedy: str
    acceptable: bool
    """Whether `verify.accept` may name it: its findings are about a file, and more than notes."""

    @property
    def row(self) -> str:
        """The row of the rule in the documentation."""
        check = self.check or "all that run programs"
        cells = (f"`{self.name}`", check, self.severity, self.meaning, self.remedy or "nothing")
        return f"| {' | '.join(cells)} |"

    def why(self, severity: Severity) -> str:
        """Return why a finding has a severity, as a clause: the condition for it, else what the rule finds."""
        before, _, condition = self.meaning.partition(" (")
        for part in _CONDITIONS.split(condition.rstrip(")")) if severity != self.severity else ():
            if part.startswith((f"a {severity} ", f"a {severity}: ")):
                return f"it is {part}"
        return before

    def finding(
        self, file: str, message: str, *, details: Iterable[str] = (), severity: Severity | None = None
    ) -> Finding:
        """Return a finding about a file, by its path in the bundle; the message ends a sentence that begins with it."""
        return self.about(file, message, file=file, details=details, severity=severity)

    def about(
        self,
        subject: str,
        message: str,
        *,
        file: str = "",
        details: Iterable[str] = (),
        severity: Severity | None = None,
        check: str = "",
        remedy: str | None = None,
    ) -> Finding:
        """Return a finding about anything.

        Args:
            message: the end of a sentence that begins with the subject.
            file: the file that acceptances name; empty if there is none.
            check: for rules of several checks, the one that ran.
        """
        return Finding(
            check=check or self.check,
            rule=self.name,
            severity=severity or self.severity,
            subject=subject,
            file=file,
            message=message,
            remedy=self.remedy if remedy is None else remedy,
            details=tuple(details),
        )


def rule(check: str, name: str, severity: Severity, meaning: str, remedy: str = "", *, acceptable: bool = True) -> Rule:
    """Return a rule; a note needs no acceptance."""
    acceptable = acceptable and severity != "note"
    return Rule(name=name, check=check, severity=severity, meaning=meaning, remedy=remedy, acceptable=acceptable)
