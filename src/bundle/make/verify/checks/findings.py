"""Findings of the checks, and the report of all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bundle.base.errors import VerificationError
from bundle.base.native.native import dotted
from bundle.model.acceptance import Acceptance

Severity = Literal["error", "inconclusive", "warning", "note"]

Answer = Literal["pass", "fail", "inconclusive"]

_SHOWN = 3
"""Files named of those with the same finding; the JSON names all."""

_OF_ONE_RUN = re.compile(r"0x[0-9a-fA-F]+|\b\d\d:\d\d:\d\d(\.\d+)?\b")


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
    set_name: str = ""
    """The set of packages that it is of; empty if it is of no set."""
    accepted: str | None = None
    """The reason for which the configuration accepts it; None if it does not."""
    known: str | None = None
    """The reason for which it is known to be harmless; None if it is not known."""
    entry: Acceptance | None = field(default=None, compare=False)
    """The entry of `verify.accept` that would accept it, without a reason; None if it needs none, or none can."""
    output: str = field(default="", repr=False, compare=False)
    """The whole output of a program that failed, for acceptances; reports show its details only."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that `--json` prints."""
        entry = None if self.entry is None else self.entry.as_json()
        value = asdict(self) | {"details": list(self.details), "entry": entry}
        del value["output"]
        set_name = value.pop("set_name")
        return value | ({"set": set_name} if set_name else {})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The findings of one check, and how much it looked at."""

    findings: tuple[Finding, ...] = ()
    checked: int = 0
    floor: Mapping[str, str] = field(default_factory=dict)
    """The oldest system that all checked files run on, such as `{"glibc": "2.28"}`."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Licences as the packages state them, by normalised name."""
    unseen: tuple[str, ...] = ()
    """What it did not look at, though it belongs to the bundle."""


def united(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of one check as one; what is found in several sets alike, is told of the first."""
    found: dict[Finding, Finding] = {}
    for finding in (finding for outcome in outcomes for finding in outcome.findings):
        found.setdefault(replace(finding, set_name=""), finding)
    floors = [(system, oldest) for outcome in outcomes for system, oldest in outcome.floor.items()]
    return Outcome(
        findings=tuple(found.values()),
        checked=sum(outcome.checked for outcome in outcomes),
        floor={system: max((one for name, one in floors if name == system), key=dotted) for system, _ in floors},
        licences={name: text for outcome in outcomes for name, text in outcome.licences.items()},
        unseen=tuple(dict.fromkeys(one for outcome in outcomes for one in outcome.unseen)),
    )


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
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a check that ran did not look at, by the check's name."""

    @property
    def ok(self) -> bool:
        """Whether there is no error that is neither accepted nor known to be harmless."""
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

    @property
    def known(self) -> tuple[Finding, ...]:
        """The findings that are known to be harmless."""
        return tuple(finding for finding in self.findings if finding.known is not None)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity, without those that are accepted or known to be harmless."""
        return tuple(
            finding
            for finding in self.findings
            if finding.severity == severity and finding.accepted is None and finding.known is None
        )

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
            "unseen": {check: list(parts) for check, parts in self.unseen.items()},
            "findings": [finding.as_json() for finding in self.findings],
            "seconds": round(self.seconds, 2),
        }


def require(report: Report, what: str = "The bundle", *, accepting: str = "") -> None:
    """Raise if a report holds an error.

    Args:
        accepting: how to accept errors that do no harm, a clause; the entries for that follow.

    Raises:
        VerificationError: lists every error with its details.
    """
    errors = report.of("error")
    if not errors:
        return
    details = [line for row in rows(errors) for line in row.lines]
    remedies = list(dict.fromkeys(finding.remedy for finding in errors if finding.remedy))
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    if accepting and (entries := entries_for(errors)):
        remedies.append(f"{accepting}:\n" + ",\n".join(entry_text(one) for one in entries))
    raise VerificationError(f"{what} failed verification: {count}.", details=details, remedy=" ".join(remedies) or None)


def entries_for(findings: Iterable[Finding]) -> tuple[Acceptance, ...]:
    """Return the entries of `verify.accept` that would accept findings, few and narrow.

    Findings of one package with one text are one entry; those of one file with several texts as well.
    """
    files: dict[Acceptance, dict[str, None]] = {}
    for finding in findings:
        if finding.entry is not None:
            files.setdefault(replace(finding.entry, files=""), {})[finding.entry.files] = None
    texts: dict[Acceptance, list[str]] = {}
    for entry, globs in files.items():
        single = len(globs) == 1 or not (entry.package and entry.error)
        for glob in globs if single else ("",):
            texts.setdefault(replace(entry, files=glob, error=""), []).extend(entry.texts)
    return tuple(
        replace(entry, error=found[0] if len(found) == 1 else tuple(dict.fromkeys(found)))
        for entry, found in texts.items()
    )


def entry_text(entry: Acceptance) -> str:
    """Return an entry of `verify.accept` as one line of JSON, its reason still to be written."""
    return json.dumps({**entry.as_json(), "reason": ""}, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A finding as text, and the findings with the same cause."""

    finding: Finding
    head: str
    details: tuple[str, ...]
    """The details of the finding."""
    others: str = ""
    """The others with the same cause; empty if there are none."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The text, the details indented."""
        return (self.head, *(f"    {line}" for line in (*self.details, self.others) if line))


def rows(findings: Iterable[Finding]) -> Iterator[Row]:
    """Yield a row for each cause, in order; details that several causes share are shown once."""
    shown: dict[tuple[str, ...], str] = {}
    for first, others in _alike(findings):
        details = first.details
        if details and (before := shown.get(details)):
            details = (f"(the same as {before})",)
        elif details:
            shown[details] = first.subject
        more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        yield Row(
            finding=first,
            head=f"{first.check}: {first.subject}: {first.message} ({', '.join(_origin(first))})",
            details=details,
            others=f"so do {', '.join(others[:_SHOWN])}{more}" if others else "",
        )


def _origin(finding: Finding) -> Iterator[str]:
    yield finding.rule
    if finding.set_name:
        yield f"set {finding.set_name}"


def _timeless(details: Iterable[str]) -> tuple[str, ...]:
    """Return details without what differs from one run of a program to the next: times and addresses of memory."""
    return tuple(_OF_ONE_RUN.sub("", line) for line in details)


def _alike(findings: Iterable[Finding]) -> list[tuple[Finding, list[str]]]:
    """Return the findings of a rule with the same message as one, with the subjects of the others.

    They are about files, or about the modules or scripts of one package and have the same details.
    """
    groups: dict[tuple[object, ...], tuple[Finding, list[str]]] = {}
    for number, finding in enumerate(findings):
        package, named, _ = finding.subject.partition(": ")
        about_file = finding.subject == finding.file
        where = () if about_file else (package, _timeless(finding.details)) if named else (number,)
        kind = (finding.rule, finding.severity, finding.set_name, finding.accepted, finding.known)
        key = (*kind, finding.message, *where)
        groups.setdefault(key, (finding, []))[1].append(finding.subject)
    return [(finding, others) for finding, (_, *others) in groups.values()]
