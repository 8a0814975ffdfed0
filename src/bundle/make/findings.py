"""What the checks of a bundle found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bundle.base.errors import VerificationError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found."""

    check: str
    """The check's name."""
    severity: Severity
    """An error makes the bundle unfit; a warning asks for a look; a note only explains."""
    subject: str
    """What it is about: a package and its module, a file, a script."""
    message: str
    """What is so, in one sentence."""
    remedy: str = ""
    """What to do about it; empty for notes."""
    details: tuple[str, ...] = ()
    """The evidence, such as the last lines of an import error."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found, and how much it looked at."""

    findings: tuple[Finding, ...] = ()
    checked: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What all checks of one bundle found."""

    findings: tuple[Finding, ...]
    checked: Mapping[str, int]
    """How many things each check looked at, by the check's name; a check that did not run is absent."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.of("error")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `--json` prints."""
        return {
            "ok": self.ok,
            "checked": dict(self.checked),
            "findings": [asdict(finding) | {"details": list(finding.details)} for finding in self.findings],
            "seconds": round(self.seconds, 2),
        }


def require(report: Report, what: str = "The bundle") -> None:
    """Raise if a report holds an error.

    Args:
        report: what the checks found.
        what: the bundle's name, as the subject of "failed verification".

    Raises:
        VerificationError: lists every error with its evidence.
    """
    errors = report.of("error")
    if not errors:
        return
    details = [line for finding, evidence in with_fresh_evidence(errors) for line in _lines(finding, evidence)]
    remedies = list(dict.fromkeys(finding.remedy for finding in errors if finding.remedy))
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise VerificationError(f"{what} failed verification: {count}.", details=details, remedy=" ".join(remedies) or None)


def with_fresh_evidence(findings: Iterable[Finding]) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """Yield each finding with the evidence to show: many fail for one reason, which is shown once.

    Args:
        findings: in the order in which they are shown.
    """
    shown: dict[str, str] = {}
    for finding in findings:
        if not finding.details:
            yield finding, ()
        elif first := shown.get(finding.details[-1]):
            yield finding, (f"(the same as {first})",)
        else:
            shown[finding.details[-1]] = finding.subject
            yield finding, finding.details


def _lines(finding: Finding, evidence: Sequence[str]) -> Iterator[str]:
    yield f"{finding.check}: {finding.subject}: {finding.message}"
    yield from (f"    {line}" for line in evidence)
