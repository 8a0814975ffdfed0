"""The audit of the wheels of a package, laid out as an environment has them; nothing is run, so any host does it."""

from __future__ import annotations

from dataclasses import dataclass

from bundle.artifacts.store.scratch import scratch_folder
from bundle.artifacts.vendored.lock import LockFile, locks_in, read_lock
from bundle.artifacts.vendored.package import Package
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import Problems
from bundle.make.verify.checks.findings import Report, require
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS, Floors

_CHECKS = ("records", "binaries", "names")
"""Those that are about packages without an interpreter."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What the audit has found for one Python on one platform."""

    platform: str
    python: str
    report: Report


def audit_wheels(package: Package, host: VerificationHost, problems: Problems) -> tuple[Audited, ...]:
    """Audit the wheels of a package, for every Python and platform of its locks.

    Each set is laid out in a folder of its own. What is audited are the files that would be installed: whether native
    files are for the platform, and whether each finds its libraries among the wheels or can expect them of the system.

    Args:
        problems: takes what is wrong.
    """
    audited = []
    for key in locks_in(package.wheels):
        with problems.collecting():
            file = read_lock(package.wheels, key)
            if file is None:
                continue
            for python in file.pythons:
                with problems.collecting():
                    report = _audit(package, file, python, host)
                    audited.append(Audited(platform=key, python=python, report=report))
                    require(report, f"{package.name} for Python {python} on {key}")
    return tuple(audited)


def _audit(package: Package, file: LockFile, python: str, host: VerificationHost) -> Report:
    platform, exact = PLATFORMS[file.platform], f"{python}.0"
    manifest = Manifest(version=exact, platform=platform.key, python=PythonRecord(actual=exact, source="host"))
    checks = [check for check in CHECKS if check.name in _CHECKS]
    with scratch_folder(host.work) as root:
        for one in file.select(platform, exact, Floors()):
            path = package.wheels / one.filename
            if path.is_file():  # `check_wheels` tells of one that is not there.
                lay_out(path, root, platform=platform, python=exact)
        return verify_bundle(root, manifest, Policy(), host, checks=checks, running=False)
