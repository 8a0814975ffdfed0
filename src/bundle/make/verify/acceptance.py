"""Findings that the configuration accepts, each with a reason, known ones, and acceptances that accept nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from bundle.make.verify.checks.contents import INTERPRETER, Contents
from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.rules import RULES
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


def accept(
    findings: Sequence[Finding], policy: Policy, contents: Contents, *, ran: Collection[str]
) -> tuple[Finding, ...]:
    """Mark the findings that are accepted or known, and add a finding for each acceptance that accepts nothing.

    Args:
        policy: of several acceptances that fit, the first counts.
        ran: names of the checks that ran; acceptances of the others cannot be judged.
    """
    packages = _Packages(contents)
    used: set[Acceptance] = set()
    marked: list[Finding] = []
    for finding in findings:
        entries = [entry for entry in policy.acceptances if packages.concerned(entry, finding)]
        # An entry that expects another error is not useless: the finding names it.
        used.update(entries)
        fitting = next((entry for entry in entries if _expects(entry, finding)), None)
        if fitting is not None:
            finding = replace(finding, accepted=fitting.reason)
        elif known := next((entry for entry in policy.harmless if packages.knows(entry, finding)), None):
            finding = replace(finding, known=known.reason)
        elif entries:
            finding = replace(finding, message=f'{finding.message} verify.accept expects "{entries[0].error}".')
        marked.append(finding)
    unused = (entry for entry in dict.fromkeys(policy.acceptances) if entry not in used)
    system = contents.platform.system
    judged = [
        entry
        for entry in unused
        if entry.rule in RULES and RULES[entry.rule].check in ran and system in _ONLY_ON.get(entry.rule, (system,))
    ]
    return (*marked, *(_unused(entry, packages) for entry in judged))


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
        if finding.rule != entry.rule or not finding.file:
            return False
        return entry.fits(self._called(finding.file)) and entry.names(*self._owner(finding.file))

    def knows(self, entry: Acceptance, finding: Finding) -> bool:
        """Return whether an entry of the table of known findings holds for a finding."""
        if entry.platforms and self._contents.platform.key not in entry.platforms:
            return False
        mild = finding.severity not in ("error", "warning")
        return not mild and self.concerned(entry, finding) and _expects(entry, finding)

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
    return entry.error in "\n".join((finding.message, *finding.details, finding.output))


def _unused(acceptance: Acceptance, packages: _Packages) -> Finding:
    there = packages.have(acceptance)
    severity: Severity = "warning" if there else "note"
    # The shared configuration is for all versions and platforms; most bundles lack most of those files.
    why = "nothing is wrong with its files" if there else "no file of this bundle fits"
    message = f"this entry of verify.accept accepts nothing: {why}."
    return RULES["unused-acceptance"].about(acceptance.subject, message, severity=severity)
