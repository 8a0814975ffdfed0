"""The audit of licences, by the metadata of each package."""

from __future__ import annotations

import posixpath
import re
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from bundle.base.files import read_regular
from bundle.make.verify.checks.contents import Distribution
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

_FILE = re.compile(r"(licenses|license_files)/.|[^/]*(licen[cs]e|copying)[^/]*$", re.IGNORECASE)
_CLASSIFIER = "License :: "
_LONGEST = 80
"""Characters up to which the old `License` field is a name; beyond, it is the whole text."""


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
    """Return the licence of a package by the best source in its metadata, None without any.

    Source: the PyPA specification "Core metadata"; PEP 639.
    """
    try:
        text = read_regular(root / _metadata(distribution)).decode(errors="replace")
    except OSError:
        text = ""
    metadata = HeaderParser().parsestr(text)
    if expression := _field(metadata, "License-Expression"):
        return expression
    classifiers = [
        value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier", ()) if value.startswith(_CLASSIFIER)
    ]
    name = _field(metadata, "License")
    if name and len(name) <= _LONGEST and "\n" not in name:
        return name
    if classifiers:
        return " AND ".join(dict.fromkeys(classifiers))
    folder = posixpath.dirname(distribution.record)
    files = metadata.get_all("License-File", ()) or [
        path.removeprefix(f"{folder}/")
        for path in distribution.files
        if path.startswith(f"{folder}/") and _FILE.match(path.removeprefix(f"{folder}/"))
    ]
    return f"see {files[0]}" if files else "see its metadata" if name else None


def _field(metadata: Message, name: str) -> str:
    value = str(metadata.get(name, "")).strip()
    return "" if value.upper() == "UNKNOWN" else value


def _metadata(distribution: Distribution) -> str:
    return posixpath.join(posixpath.dirname(distribution.record), "METADATA")
