"""Findings of the checks, and the report of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bundle.base.errors import VerificationError

Severity = Literal["error", "inconclusive", "warning", "note"]

Answer = Literal["pass", "fail", "inconclusive"]

_SHOWN = 3
"""Files named of those with the same finding; the JSON names all."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of a check."""

    check: str
    """The check's name."""
    severity: Severity
    """`error`: the bundle is unfit. `inconclusive`: the emulator failed, the bundle is unknown. `warning`: look at
    it. `note`: an explanation."""
    subject: str
    """The package and module, file or script that it is about."""
    message: str
    """One sentence about the subject."""
    remedy: str = ""
    """The next step; empty if there is none."""
    details: tuple[str, ...] = ()
    """The details, such as the last lines of an import error."""
    rule: str
    """The rule's name, in kebab case."""
    file: str = ""
    """Relative to the bundle's root, with `/`; empty if it is about no file."""
    accepted: str | None = None
    """The reason for which the configuration accepts it; None if it does not."""
    output: str = field(default="", repr=False, compare=False)
    """The whole output of a program that failed, for acceptances; reports show its details only."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `--json` prints."""
        value = asdict(self) | {"details": list(self.details)}
        del value["output"]
        return value


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The findings of one check, and how much it looked at."""

    findings: tuple[Finding, ...] = ()
    checked: int = 0
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all checked files run on, such as `{"glibc": "2.28"}`."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Licences as the packages state them, by normalised name."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings of all checks of one bundle."""

    findings: tuple[Finding, ...]
    checked: Mapping[str, int]
    """How many things each check looked at, by the check's name; a check that did not run is absent."""
    seconds: float
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all of it runs on, measured; empty if unknown."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Licences as the packages state them, by normalised name."""
    runner: str = ""
    """Name of the runner of the bundle's programs; empty if nothing was run."""

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

    Raises:
        VerificationError: lists every error with its details.
    """
    errors = report.of("error")
    if not errors:
        return
    details = [line for finding, details in with_details_once(errors) for line in _lines(finding, details)]
    remedies = list(dict.fromkeys(finding.remedy for finding in errors if finding.remedy))
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise VerificationError(f"{what} failed verification: {count}.", details=details, remedy=" ".join(remedies) or None)


def with_details_once(findings: Iterable[Finding]) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """Yield each finding with its details, in order; details that many findings share are shown once."""
    shown: dict[tuple[str, ...], str] = {}
    for finding, others in _alike(findings):
        details = finding.details
        if details and (first := shown.get(details)):
            details = (f"(the same as {first})",)
        elif details:
            shown[details] = finding.subject
        yield finding, (*details, *others)


def _alike(findings: Iterable[Finding]) -> list[tuple[Finding, tuple[str, ...]]]:
    """Return findings of a rule with the same message about many files as one, with a line about the others."""
    groups: dict[tuple[str, ...], tuple[Finding, list[str]]] = {}
    for number, finding in enumerate(findings):
        # Findings about programs differ in their details.
        alike = finding.subject == finding.file
        key = (finding.rule, finding.severity, finding.message) if alike else (str(number),)
        groups.setdefault(key, (finding, []))[1].append(finding.subject)
    result: list[tuple[Finding, tuple[str, ...]]] = []
    for finding, (_, *others) in groups.values():
        more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        line = (f"so do {', '.join(others[:_SHOWN])}{more}",) if others else ()
        result.append((finding, line))
    return result


def _lines(finding: Finding, details: Sequence[str]) -> Iterator[str]:
    yield f"{finding.check}: {finding.subject}: {finding.message} ({finding.rule})"
    yield from (f"    {line}" for line in details)
