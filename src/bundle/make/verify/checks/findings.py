"""What the checks of a bundle found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bundle.base.errors import VerificationError

Severity = Literal["error", "inconclusive", "warning", "note"]

Answer = Literal["pass", "fail", "inconclusive"]

_SHOWN = 3
"""Files that are named of those for which the same holds; all are in the JSON."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found."""

    check: str
    """The check's name."""
    severity: Severity
    """An error makes the bundle unfit; what is inconclusive says something of an emulator, and nothing of the bundle; a
    warning asks for a look; a note only explains."""
    subject: str
    """What it is about: a package and its module, a file, a script."""
    message: str
    """What is so, in one sentence."""
    remedy: str = ""
    """What to do about it; empty for notes."""
    details: tuple[str, ...] = ()
    """The evidence, such as the last lines of an import error."""
    rule: str = ""
    """Which rule found it, in kebab case; empty for a check that is one rule."""
    file: str = ""
    """Relative to the bundle's root, with `/`; empty if it is about no file."""
    accepted: str | None = None
    """The reason for which the configuration accepts it; None if it does not."""

    @property
    def mark(self) -> str:
        """How the rule is named behind the message, so that it can be accepted; empty without a rule."""
        return f" ({self.rule})" if self.rule else ""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `--json` prints."""
        return asdict(self) | {"details": list(self.details), "rule": self.rule or self.check}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found, and how much it looked at."""

    findings: tuple[Finding, ...] = ()
    checked: int = 0
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that everything it looked at runs on, such as `{"glibc": "2.28"}`."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """What packages say of their licence, by normalised name."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What all checks of one bundle found."""

    findings: tuple[Finding, ...]
    checked: Mapping[str, int]
    """How many things each check looked at, by the check's name; a check that did not run is absent."""
    seconds: float
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all of it runs on, measured; empty where nothing tells."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """What packages say of their licence, by normalised name."""
    runner: str = ""
    """What the bundle's programs ran in; empty if nothing was run."""

    @property
    def ok(self) -> bool:
        """Whether there is no error that is not accepted."""
        return not self.of("error")

    @property
    def answers(self) -> dict[str, Answer]:
        """The answer of each check that was to run, in that order."""
        order = dict.fromkeys((*self.checked, *(finding.check for finding in self.of("inconclusive"))))
        order |= dict.fromkeys(finding.check for finding in self.of("error"))
        return {name: self._answer(name) for name in order}

    @property
    def answer(self) -> Answer:
        """The answer to the whole."""
        return self._answer(None)

    @property
    def accepted(self) -> tuple[Finding, ...]:
        """The findings that the configuration accepts."""
        return tuple(finding for finding in self.findings if finding.accepted is not None)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity, without those that are accepted."""
        return tuple(finding for finding in self.findings if finding.severity == severity and finding.accepted is None)

    def _answer(self, check: str | None) -> Answer:
        if any(check in (None, finding.check) for finding in self.of("error")):
            return "fail"
        if any(check in (None, finding.check) for finding in self.of("inconclusive")):
            return "inconclusive"
        return "pass"

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `--json` prints."""
        return {
            "ok": self.ok,
            "answer": self.answer,
            "answers": self.answers,
            "runner": self.runner,
            "floor": dict(self.floor),
            "licences": dict(self.licences),
            "checked": dict(self.checked),
            "findings": [finding.as_json() for finding in self.findings],
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
    shown: dict[tuple[str, ...], str] = {}
    for finding, others in _alike(findings):
        evidence = finding.details
        if evidence and (first := shown.get(evidence)):
            evidence = (f"(the same as {first})",)
        elif evidence:
            shown[evidence] = finding.subject
        yield finding, (*evidence, *others)


def _alike(findings: Iterable[Finding]) -> list[tuple[Finding, tuple[str, ...]]]:
    """Return findings of a rule that say the same of many files as one, with a line about the others."""
    groups: dict[tuple[str, ...], tuple[Finding, list[str]]] = {}
    for number, finding in enumerate(findings):
        key = (finding.rule, finding.severity, finding.message) if finding.rule else (str(number),)
        groups.setdefault(key, (finding, []))[1].append(finding.subject)
    result: list[tuple[Finding, tuple[str, ...]]] = []
    for finding, (_, *others) in groups.values():
        more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        line = (f"so do {', '.join(others[:_SHOWN])}{more}",) if others else ()
        result.append((finding, line))
    return result


def _lines(finding: Finding, evidence: Sequence[str]) -> Iterator[str]:
    yield f"{finding.check}: {finding.subject}: {finding.message}{finding.mark}"
    yield from (f"    {line}" for line in evidence)
