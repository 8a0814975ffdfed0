"""Findings that the configuration accepts, each with a reason, known ones, and acceptances that accept nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from bundle.make.verify.checks.contents import INTERPRETER, Contents
from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.trials.tracebacks import first_cause
from bundle.model.acceptance import Acceptance
from bundle.model.platforms import System

_ONLY_ON: Mapping[str, tuple[System, ...]] = {
    "launcher-interpreter": ("windows",),
    "link-on-windows": ("windows",),
    "long-path": ("windows",),
    "name-on-windows": ("windows",),
    "absolute-prefix": ("linux", "macosx"),
    "run-path-of-build": ("linux", "macosx"),
    "glibc-above-floor": ("linux",),
    "libstdcxx-above-floor": ("linux",),
    "program-interpreter": ("linux",),
    "version-missing": ("linux",),
    "library-foreign": ("macosx",),
    "macos-above-floor": ("macosx",),
    "signature-missing": ("macosx",),
}
"""The systems of the rules that find nothing on the others."""


_LIBRARY = re.compile(r"^(lib/python[0-9.]+t?|Lib)/(site-packages/)?")
_SUFFIX = re.compile(r"\.[^/]*(so|pyd)$")


def accept(
    findings: Sequence[Finding], policy: Policy, contents: Mapping[str, Contents], *, ran: Collection[str]
) -> tuple[Finding, ...]:
    """Mark the findings that are accepted or known, and add a finding for each acceptance that accepts nothing.

    Args:
        policy: of several acceptances that fit, the first counts.
        contents: of each set of packages, by its name.
        ran: names of the checks that ran; acceptances of the others cannot be judged.
    """
    sets = {name: _Packages(one) for name, one in contents.items()}
    used: set[Acceptance] = set()
    marked: list[Finding] = []
    for finding in findings:
        packages = sets[finding.set_name]
        entries = [entry for entry in policy.acceptances if packages.concerned(entry, finding)]
        # An entry that expects another error is not useless: the finding names it.
        used.update(entries)
        fitting = next((entry for entry in entries if _expects(entry, finding)), None)
        if fitting is not None:
            finding = replace(finding, accepted=fitting.reason)
        elif known := next((entry for entry in policy.harmless if packages.knows(entry, finding)), None):
            finding = replace(finding, known=known.reason)
        elif entries:
            expected = " or ".join(f'"{text}"' for text in entries[0].texts)
            message = f"{finding.message} verify.accept expects {expected}."
            finding = replace(packages.with_entry(finding), message=message)
        else:
            finding = packages.with_entry(finding)
        marked.append(finding)
    (platform,) = {one.platform for one in contents.values()}
    here = (entry for entry in dict.fromkeys(policy.acceptances) if entry.holds_on(platform.key))
    unused = (entry for entry in here if entry not in used)
    system = platform.system
    judged = [
        entry
        for entry in unused
        if entry.rule in RULES and RULES[entry.rule].check in ran and system in _ONLY_ON.get(entry.rule, (system,))
    ]
    return (*marked, *(_unused(entry, sets.values()) for entry in judged))


class _Packages:
    """The packages of a bundle, each with its version and files."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    @cached_property
    def _versions(self) -> dict[str, str]:
        versions = {one.name: one.version for one in self._contents.distributions}
        return {**versions, INTERPRETER: self._contents.python}

    @cached_property
    def _modules(self) -> dict[str, str]:
        return {module.path: module.name for module in self._contents.modules}

    def concerned(self, entry: Acceptance, finding: Finding) -> bool:
        """Return whether an entry is about a finding, whatever error that is."""
        if finding.rule != entry.rule or not finding.file or not entry.holds_on(self._contents.platform.key):
            return False
        return entry.fits(self._called(finding.file)) and entry.names(*self._owner(finding.file))

    def knows(self, entry: Acceptance, finding: Finding) -> bool:
        """Return whether an entry of the table of known findings holds for a finding."""
        mild = finding.severity not in ("error", "warning")
        return not mild and self.concerned(entry, finding) and _expects(entry, finding)

    def with_entry(self, finding: Finding) -> Finding:
        """Return a finding with the entry that would accept it, if it is an error that can be accepted."""
        if finding.severity != "error" or not finding.file or not RULES[finding.rule].acceptable:
            return finding
        package, _ = self._owner(finding.file)
        files, error = _glob(finding.file), _text(finding)
        entry = Acceptance(rule=finding.rule, files=files, package=package, error=error, reason="")
        return replace(finding, entry=entry)

    def have(self, entry: Acceptance) -> bool:
        """Return whether some file of the bundle is one that an entry names."""
        files: Iterable[str] = self._contents.files
        return any(entry.fits(self._called(file)) and entry.names(*self._owner(file)) for file in files)

    def _called(self, file: str) -> tuple[str, ...]:
        return (file, self._modules[file]) if file in self._modules else (file,)

    def _owner(self, file: str) -> tuple[str, str]:
        owner = self._contents.owners.get(file)
        if owner is None and self._contents.is_interpreters(file):
            owner = INTERPRETER
        return owner or "", self._versions.get(owner or "", "")


def _expects(entry: Acceptance, finding: Finding) -> bool:
    said = "\n".join((finding.message, *finding.details, finding.output))
    return any(text in said for text in entry.texts)


def _glob(file: str) -> str:
    """Return the files of an entry for a file: without the folder and the suffix that name the version of Python."""
    path = _LIBRARY.sub("*/", file)
    return _SUFFIX.sub(".*", path)


def _text(finding: Finding) -> str:
    """Return the text that an entry must name: the first cause of what Python raised, else the program's complaint."""
    if finding.rule not in ("import-fails", "script-fails"):
        return ""
    cause = first_cause(finding.output)
    return cause.partition(": ")[2] or cause or finding.message


def _unused(acceptance: Acceptance, sets: Iterable[_Packages]) -> Finding:
    there = any(packages.have(acceptance) for packages in sets)
    severity: Severity = "warning" if there else "note"
    # The shared configuration is for all versions and platforms; most bundles lack most of those files.
    why = "nothing is wrong with its files" if there else "no file of this bundle fits"
    message = f"this entry of verify.accept accepts nothing: {why}."
    return RULES["unused-acceptance"].about(acceptance.subject, message, severity=severity)
