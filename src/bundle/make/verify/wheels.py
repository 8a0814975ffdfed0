"""The flaws of a bundle's wheels: findings like all others, and the refusal of a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bundle.base.errors import IntegrityError, Problems
from bundle.make.verify.acceptance import accept
from bundle.make.verify.checks.contents import Contents
from bundle.make.verify.checks.findings import Finding, Outcome, entry_text
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.acceptance import Acceptance
from bundle.model.manifest import Manifest


def check_wheels(subject: Subject) -> Outcome:
    """Tell the flaws of wheels that the build met; the bundle itself shows them no longer."""
    return Outcome(findings=_findings(subject.manifest), checked=len(subject.manifest.packages))


def require_sound_wheels(manifest: Manifest, acceptances: Sequence[Acceptance]) -> None:
    """Refuse wheels with flaws, all at once, but for those that the configuration accepts.

    Raises:
        IntegrityError: with an entry for `verify.accept`.
    """
    problems = Problems()
    # Nothing is assembled yet: there are no packages to ask for, and entries name files.
    empty = Contents(root=Path(), python=manifest.python.actual, platform=manifest.target, files={}, distributions=())
    policy = Policy(acceptances=tuple(acceptances), harmless=())
    for finding in accept(_findings(manifest), policy, {"": empty}, ran=()):
        if finding.entry is not None:
            entry = entry_text(replace(finding.entry, package=""))
            problems.add(
                IntegrityError(
                    f"{finding.file} {finding.message}",
                    cause="A mistake of its publisher: the wheel has the hash that its index states.",
                    remedy=f"Choose another version of the package, or accept it (verify.accept): {entry}",
                )
            )
    problems.raise_if_any(f"{len(problems.errors)} files of wheels are not what their wheels say.")


def _findings(manifest: Manifest) -> tuple[Finding, ...]:
    return tuple(RULES[flaw.rule].finding(flaw.file, flaw.message) for flaw in manifest.flaws)
