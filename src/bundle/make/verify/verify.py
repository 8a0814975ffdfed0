"""All checks of a bundle, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from bundle.artifacts.store.scratch import scratch_folder
from bundle.base.errors import ConfigError
from bundle.base.files import sweep_staging
from bundle.base.report import Reporter
from bundle.make.verify.acceptance import accept
from bundle.make.verify.audit.build_paths import check_paths
from bundle.make.verify.audit.file_names import check_names
from bundle.make.verify.audit.licences import check_licences
from bundle.make.verify.audit.native_files import check_binaries
from bundle.make.verify.audit.records import check_records
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding, Outcome, Report
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.emulators.protocol import Emulator, EmulatorWorkspace, Missing
from bundle.make.verify.trials.dependencies import check_requirements
from bundle.make.verify.trials.imports import check_imports
from bundle.make.verify.trials.isolation import Isolation
from bundle.make.verify.trials.relocation import check_relocation
from bundle.make.verify.trials.start import Refusal, enter
from bundle.model.config.allowlist import AllowList
from bundle.model.config.config import Acceptance
from bundle.model.platforms import DEFAULT_GLIBC, DEFAULT_MACOS, PLATFORMS, Floors, Platform

MANIFEST = "bundle.json"

_EMULATED_JOBS = 2
"""Emulated programs are large and slow; more of them at once bring nothing."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One way to look at a bundle."""

    name: str
    title: str
    """What it does, as people read it while it runs."""
    audit: Callable[[Subject], Outcome] | None = None
    """Reads the bundle and runs nothing."""
    trial: Callable[[Subject, Isolation], Outcome] | None = None
    """Runs programs of the bundle, which takes a machine of its platform."""

    @property
    def runs(self) -> bool:
        """Whether it runs programs of the bundle."""
        return self.trial is not None

    def look(self, subject: Subject, isolation: Isolation) -> Outcome:
        """Run the check."""
        if self.trial is not None:
            return self.trial(subject, isolation)
        return self.audit(subject) if self.audit is not None else Outcome()


CHECKS = (
    Check(name="records", title="Comparing every recorded file", audit=check_records),
    Check(name="paths", title="Searching for paths of this machine", audit=check_paths),
    Check(name="binaries", title="Auditing native files", audit=check_binaries),
    Check(name="names", title="Looking at names", audit=check_names),
    Check(name="licences", title="Reading licences", audit=check_licences),
    Check(name="requirements", title="Checking requirements", trial=check_requirements),
    Check(name="imports", title="Importing native modules", trial=check_imports),
    Check(name="relocation", title="Using a copy elsewhere, read-only", trial=check_relocation),
)
"""Every check, in the order in which they run: the cheap first."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a bundle's manifest says of it, as far as the checks need it."""

    version: str
    platform: Platform
    python: str
    """The actual version of its interpreter."""
    skipped: Mapping[str, str]
    """Normalised names of the packages that were left out, each with the reason."""
    relaxed: frozenset[str]
    """Normalised names of the packages with an override, or installed without their dependencies."""
    copied: frozenset[str]
    """Paths of the version's own files, which no package brought."""
    contested: frozenset[str]
    """Paths that two layers held with different bytes."""
    source: str
    """The interpreter source that its interpreter came from; empty if the manifest does not say."""
    floors: Floors
    """The oldest systems that it was built for."""
    accepted: tuple[Acceptance, ...]
    """Findings that the configuration accepted when it was built."""


def verify_bundle(
    root: Path,
    *,
    python: str,
    platform: Platform,
    machine: Platform | None,
    allowlist: AllowList,
    forbidden: Sequence[Path],
    skipped: Mapping[str, str],
    jobs: int,
    reporter: Reporter,
    work: Path,
    relaxed: Collection[str] = (),
    copied: Collection[str] = (),
    contested: Collection[str] = (),
    suspicious: Sequence[Path] = (),
    emulator: Emulator | Missing | None = None,
    floors: Floors | None = None,
    source: str = "",
    acceptances: Sequence[Acceptance] = (),
    running: bool = True,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Check that a bundle imports, survives a move, and names nothing of the building machine.

    Args:
        root: the bundle's folder.
        python: its interpreter's version, such as `3.12.10`.
        platform: what it is for.
        machine: the platform of this machine; where it is another, nothing of the bundle is run.
        allowlist: errors that are accepted.
        forbidden: folders of the building machine that no file may name; the bundle's own place is one anyway.
        skipped: names of packages that were left out on purpose, each with the reason.
        jobs: how many processes run at once.
        reporter: told what is going on.
        work: a folder for scratch files; what is made there is removed again.
        relaxed: names of packages with an override, or installed without their dependencies: complaints about their
            requirements are warnings.
        copied: paths of files that the version itself put there.
        contested: paths that two layers held with different bytes, and that were reported when the bundle was built.
        suspicious: folders that others may name with good reason, such as the builder's home; a warning.
        emulator: what the bundle's programs run in, in place of this machine; see `bundle.make.runners`.
        floors: the oldest systems that it is to run on; the defaults if None.
        source: the interpreter source that its interpreter came from.
        acceptances: findings that are known, and accepted.
        running: whether anything of the bundle is run; without, its files are read and that is all.
        checks: what to look at.

    Returns:
        all findings; see `bundle.make.findings.require`.
    """
    started = time.monotonic()
    root = root.resolve()
    findings: list[Finding] = []
    checked: dict[str, int] = {}
    floor: dict[str, str] = {}
    licences: dict[str, str] = {}
    sweep_staging(work)
    with scratch_folder(work) as folder, ExitStack() as stack:
        scratch = folder.resolve()
        isolation = Isolation(root=root, python=python, platform=platform, scratch=scratch)
        refusal: Refusal | None = None
        if emulator is not None:
            workspace = EmulatorWorkspace(bundle=root, scratch=scratch, work=work, reporter=reporter)
            entered = enter(stack, emulator, isolation, workspace)
            if isinstance(entered, Isolation):
                isolation, jobs = entered, min(jobs, _EMULATED_JOBS)
            else:
                refusal = entered
        subject = Subject(
            contents=read_contents(root, python=python, platform=platform),
            allowlist=allowlist,
            forbidden=tuple(dict.fromkeys((*forbidden, root))),
            suspicious=tuple(suspicious),
            skipped={canonicalize_name(name): reason for name, reason in skipped.items()},
            relaxed=frozenset(canonicalize_name(name) for name in relaxed),
            copied=frozenset(copied),
            contested=frozenset(contested),
            jobs=jobs,
            reporter=reporter,
            floors=floors or Floors(),
            source=source,
        )
        for check in checks:
            if check.runs and not running and machine == platform:
                findings.append(_not_asked(check, platform))
                continue
            if check.runs and refusal is not None:
                findings.append(refusal(check.name))
                continue
            if check.runs and machine != platform and emulator is None:
                findings.append(_not_run(check, platform))
                continue
            reporter.detail(check.title)
            outcome = check.look(subject, isolation)
            findings += outcome.findings
            checked[check.name] = outcome.checked
            floor.update(outcome.floor)
            licences.update(outcome.licences)
        files = subject.contents.files
    return Report(
        findings=accept(findings, acceptances, files=files, ran=checked),
        checked=checked,
        seconds=time.monotonic() - started,
        floor=floor,
        licences=licences,
        runner=isolation.runner.name if any(check.runs and check.name in checked for check in checks) else "",
    )


def identify(root: Path) -> Identity:
    """Read from a bundle's manifest what the checks need.

    Raises:
        ConfigError: there is no manifest, or none that says what the bundle is.
    """
    path = root / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        return Identity(
            version=manifest["version"],
            platform=PLATFORMS[manifest["platform"]],
            python=manifest["python"]["actual"],
            skipped={
                canonicalize_name(package["name"]): package.get("reason", "") for package in manifest.get("skipped", ())
            },
            relaxed=frozenset(
                canonicalize_name(name) for key in ("overrides", "noDeps") for name in manifest.get(key, ())
            ),
            copied=frozenset(manifest.get("copied", ())),
            contested=frozenset(conflict["path"] for conflict in manifest.get("conflicts", ())),
            source=manifest["python"].get("source", ""),
            floors=Floors(
                glibc=manifest.get("floorAsked", {}).get("glibc", DEFAULT_GLIBC),
                macos=manifest.get("floorAsked", {}).get("macos", DEFAULT_MACOS),
            ),
            accepted=tuple(Acceptance(**entry) for entry in manifest.get("accepted", ())),
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"{root} is no bundle: it has no {MANIFEST}.",
            remedy="Name a version, the folder that holds bundle.json, or an archive of it.",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} does not say what the bundle is: {type(error).__name__}: {error}.",
            cause="It was edited, or made by another program.",
            remedy="Build the bundle anew.",
        ) from error


def _not_asked(check: Check, platform: Platform) -> Finding:
    return Finding(
        check=check.name,
        severity="note",
        subject=platform.key,
        message="not run: nobody asked for it. `--run` runs it; a build always does.",
    )


def _not_run(check: Check, platform: Platform) -> Finding:
    return Finding(
        check=check.name,
        severity="note",
        subject=platform.key,
        message="not run: foreign platform. `--run` runs it in an emulator; or run `bundle verify` on a machine of it.",
    )
