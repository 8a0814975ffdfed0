"""The audit of licences, by the metadata of each package."""

from __future__ import annotations

import posixpath
from pathlib import Path

from bundle.artifacts.wheel.licence import stated_licence
from bundle.base.files import read_regular
from bundle.make.verify.checks.contents import Distribution
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject


def check_licences(subject: Subject) -> Outcome:
    """Find the licence of each package: an expression (PEP 639), a field, a classifier, a file."""
    findings: list[Finding] = []
    found: dict[str, str] = {}
    for distribution in subject.contents.distributions:
        licence = _stated_licence(subject.root, distribution)
        if licence is None:
            message = f"says nothing of the licence of {distribution.name}, and has no licence file."
            findings.append(RULES["licence-missing"].finding(_metadata(distribution), message))
        else:
            found[distribution.name] = licence
    return Outcome(findings=tuple(findings), checked=len(subject.contents.distributions), licences=found)


def _stated_licence(root: Path, distribution: Distribution) -> str | None:
    try:
        text = read_regular(root / _metadata(distribution)).decode(errors="replace")
    except OSError:
        text = ""
    folder = posixpath.dirname(distribution.record) + "/"
    files = [path.removeprefix(folder) for path in distribution.files if path.startswith(folder)]
    return stated_licence(text, files)


def _metadata(distribution: Distribution) -> str:
    return posixpath.join(posixpath.dirname(distribution.record), "METADATA")
