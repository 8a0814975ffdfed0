"""All checks of a bundle, beside each other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bundle.artifacts.catalogue_entry import Evidence
from bundle.artifacts.store.scratch import scratch_folder
from bundle.base.report import Reporter
from bundle.base.staging import sweep_staging
from bundle.base.threads import all_of, in_parallel
from bundle.make.interpreter.compilers import compiler_for
from bundle.make.verify.acceptance import accept
from bundle.make.verify.audit.build_paths import check_paths
from bundle.make.verify.audit.file_list import check_files
from bundle.make.verify.audit.file_names import check_names
from bundle.make.verify.audit.licences import check_licences
from bundle.make.verify.audit.native_files import check_binaries
from bundle.make.verify.audit.records import check_records
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding, Outcome, Report, united
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.emulators.protocol import Emulator, EmulatorWorkspace, Missing
from bundle.make.verify.missing.libraries import without_missing_libraries
from bundle.make.verify.trials.dependencies import check_requirements
from bundle.make.verify.trials.imports import check_imports
from bundle.make.verify.trials.isolation import Isolation
from bundle.make.verify.trials.relocation import check_relocation
from bundle.make.verify.trials.start import Refusal, enter
from bundle.make.verify.wheelhouse import Packages, install, start_packaged_scripts, unpack
from bundle.make.verify.wheels import check_wheels
from bundle.model.manifest import Manifest
from bundle.model.platforms import Platform

_EMULATED_JOBS = 2
"""Emulated programs are large and slow; more of them in parallel gain nothing."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of a bundle: an audit or a trial."""

    name: str
    title: str
    """Shown while it runs."""
    audit: Callable[[Subject], Outcome] | None = None
    """Reads the bundle and runs nothing."""
    trial: Callable[[Subject, Isolation], Outcome] | None = None
    """Runs programs of the bundle, which takes a machine of its platform."""
    imports: bool = False
    """Whether it imports the modules of packages."""
    of_bundle: bool = False
    """Whether it looks at the bundle itself also where packages are carried as wheels; the others look at a copy in
    which these are installed."""
    of_packages: Callable[[Subject, Isolation], Outcome] | None = None
    """The part of a trial of the bundle itself that is about installed packages."""
    unseen: str = ""
    """What it does not look at where packages are carried as wheels."""

    @property
    def runs(self) -> bool:
        """Whether it runs programs of the bundle."""
        return self.trial is not None

    def look(self, subject: Subject, isolation: Isolation, sets: Sequence[Packages]) -> Outcome:
        """Run the check.

        Args:
            sets: the packages that the bundle carries as wheels, if it does.
        """
        if not sets or (self.audit is not None and self.of_bundle):
            return self._look(subject, isolation)
        own = [self._look(subject, isolation)] if self.of_bundle else []
        return united([*own, *(one.named(self._look_at(one)) for one in sets)])

    def _look_at(self, packages: Packages) -> Outcome:
        """Run the check over packages that were carried as wheels."""
        if self.audit is not None:
            return replace(self.audit(packages.subject), unseen=packages.unseen)
        unseen = (*packages.unseen, *filter(None, (self.unseen,)))
        trial = self.of_packages if self.of_bundle else self.trial
        if packages.isolation is None or trial is None:
            return Outcome(unseen=(*unseen, "the packages: they could not be installed"))
        outcome = trial(packages.subject, packages.isolation)
        return replace(outcome, unseen=(*unseen, *outcome.unseen))

    def _look(self, subject: Subject, isolation: Isolation) -> Outcome:
        if self.trial is not None:
            return self.trial(subject, isolation)
        return self.audit(subject) if self.audit is not None else Outcome()


CHECKS = (
    Check(name="files", title="Comparing every file with what was built", audit=check_files, of_bundle=True),
    Check(name="records", title="Comparing every recorded file", audit=check_records),
    Check(name="wheels", title="Reading the flaws of wheels", audit=check_wheels),
    Check(name="paths", title="Searching for paths of this machine", audit=check_paths),
    Check(name="binaries", title="Auditing native files", audit=check_binaries),
    Check(name="names", title="Checking file names", audit=check_names),
    Check(name="licences", title="Reading licences", audit=check_licences),
    Check(name="requirements", title="Checking requirements", trial=check_requirements),
    Check(
        name="relocation",
        title="Using the bundle elsewhere, read-only",
        trial=check_relocation,
        imports=True,
        of_bundle=True,
        of_packages=start_packaged_scripts,
        unseen="packages elsewhere: as wheels they are installed where they are used",
    ),
    # After relocation: what was imported in a copy is not imported again.
    Check(name="imports", title="Importing native modules", trial=check_imports, imports=True),
)
"""Every check, in the order in which they begin and are reported: the cheap first."""


def evidence_of(report: Report) -> Evidence:
    """Return the checks that a bundle passed, as the catalogue has them."""
    passed = [check for check in CHECKS if check.name in report.checked]
    return Evidence(
        audited=tuple(check.name for check in passed if not check.runs),
        run=tuple(check.name for check in passed if check.runs),
    )


@dataclass(frozen=True, kw_only=True)
class VerificationHost:
    """The machine that verifies."""

    machine: Platform | None
    """Its platform; None if it is none of the known ones."""
    work: Path
    """A folder for scratch files; what is made there is removed again."""
    reporter: Reporter
    emulator: Emulator | Missing | None = None
    """The emulator for the bundle's programs; None to run them on the machine itself."""
    jobs: int = os.cpu_count() or 1
    environ: Mapping[str, str] = field(default_factory=dict)
    """For the search for interpreters of this machine."""


def verify_bundle(
    root: Path,
    manifest: Manifest,
    policy: Policy,
    host: VerificationHost,
    *,
    running: bool = True,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Check that a bundle is whole, works, survives a move, and names nothing of the building machine.

    Args:
        root: the bundle's folder, which no file of it may name either.

    Returns:
        all findings; see `bundle.make.verify.checks.findings.require`.
    """
    started = time.monotonic()
    root = root.resolve()
    platform, python = manifest.target, manifest.python.actual
    findings: list[Finding] = []
    sweep_staging(host.work)
    with scratch_folder(host.work) as folder, ExitStack() as stack:
        isolation = Isolation(
            root=root,
            python=python,
            platform=platform,
            certificates=manifest.certificates,
            own_variables=manifest.environment,
            scratch=folder.resolve(),
        )
        refusal: Refusal | None = None
        jobs = host.jobs
        if host.emulator is not None:
            workspace = EmulatorWorkspace(
                bundle=root, scratch=isolation.scratch, work=host.work, reporter=host.reporter
            )
            entered = enter(stack, host.emulator, isolation, workspace)
            if isinstance(entered, Isolation):
                isolation, jobs = entered, min(jobs, _EMULATED_JOBS)
            else:
                refusal = entered
        elif host.machine != platform:
            refusal = _not_run(platform, "foreign platform. `--run` uses an emulator; or verify on a machine of it.")
        elif not running:
            refusal = _not_run(platform, "`--run` was not given. A build always runs it.")
        subject = Subject(
            contents=read_contents(root, python=python, platform=platform),
            manifest=manifest,
            policy=policy.also_forbidding(root),
            jobs=jobs,
            reporter=host.reporter,
            compiler=partial(compiler_for, python, environ=host.environ),
        )
        trying = refusal is None and any(check.runs for check in checks)
        sets = _packages(subject, isolation, running=trying)
        findings += united([one.named(Outcome(findings=one.findings)) for one in sets]).findings
        if host.emulator is not None and trying:
            isolation, sets, said = _where_libraries_are_missing(subject, isolation, sets)
            findings += said

        def look(check: Check) -> Outcome:
            if check.runs and refusal is not None:
                return Outcome(findings=(refusal(check.name),))
            host.reporter.detail(check.title)
            return check.look(subject, isolation, sets)

        # Audits compute in this process, one after the other; trials wait for programs, two of which share what they
        # have imported. Emulated programs gain nothing by company, and some emulators share one server.
        apart = [check for check in checks if check.runs] if trying and host.emulator is None else []
        importing = [check for check in apart if check.imports]
        groups = [[check for check in checks if check not in apart], importing]
        groups += [[check] for check in apart if check not in importing]
        done = all_of(in_parallel(lambda group: {one: look(one) for one in group}, groups, threads=len(groups)))
        looked = {check: outcome for outcomes in done for check, outcome in outcomes.items()}
        findings += [finding for check in checks for finding in looked[check].findings]
        outcomes = {check.name: looked[check] for check in checks if not (check.runs and refusal)}
    ran = any(check.runs for check in checks if check.name in outcomes)
    return Report(
        findings=accept(
            findings,
            policy,
            {one.set_name: one.subject.contents for one in sets} or {"": subject.contents},
            ran=outcomes,
        ),
        checked={name: outcome.checked for name, outcome in outcomes.items()},
        seconds=time.monotonic() - started,
        floor={name: value for outcome in outcomes.values() for name, value in outcome.floor.items()},
        licences={name: text for outcome in outcomes.values() for name, text in outcome.licences.items()},
        runner=isolation.runner.name if ran else "",
        unseen={name: outcome.unseen for name, outcome in outcomes.items() if outcome.unseen},
    )


def _packages(subject: Subject, isolation: Isolation, *, running: bool) -> list[Packages]:
    """Install the packages that a bundle carries as wheels; none if they are installed in the bundle itself."""
    if subject.manifest.layout != "wheelhouse":
        return []
    sets = [unpack(subject, isolation.scratch, name) for name in subject.manifest.members]
    return [install(packages, isolation) for packages in sets] if running else sets


def _where_libraries_are_missing(
    subject: Subject, isolation: Isolation, sets: Sequence[Packages]
) -> tuple[Isolation, list[Packages], tuple[Finding, ...]]:
    """Return a bundle and its packages where they run, and a note if the place lacks libraries."""
    isolation, said = without_missing_libraries(subject, isolation)
    placed, notes = [], []
    for packages in sets:
        if packages.isolation is not None:
            environment, found = without_missing_libraries(packages.subject, packages.isolation)
            packages = replace(packages, isolation=environment)
            notes.append(packages.named(Outcome(findings=found)))
        placed.append(packages)
    return isolation, placed, united(notes).findings if notes else said


def _not_run(platform: Platform, why: str) -> Refusal:
    return lambda check: RULES["not-run"].about(platform.key, f"not run: {why}", check=check)
