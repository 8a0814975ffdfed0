"""Makes a lock of a configuration: the solver finds versions, the policy finds the file of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.report import Reporter
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.file_selection import FileSelection
from bundle.make.resolve.local_pages import LocalPages
from bundle.make.resolve.policy import Policy, Target
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.solver import Solution, solve
from bundle.make.resolve.solver_index import SolverIndex
from bundle.make.resolve.source_metadata import SourceMetadata
from bundle.make.sources.host import BuildHost
from bundle.model.locks.lock import Lock, LockedPackage, input_checksum


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A lock, with what was known when it was made."""

    lock: Lock
    index: SolverIndex
    solution: Solution


def resolve(host: BuildHost, *, previous: Lock | None, upgrade: bool | frozenset[str] = False) -> Resolution:
    """Resolve the packages of one version on one platform.

    Args:
        host: runs the builds of sources that cannot be read; its interpreter is made only for that.
        previous: the last lock; its versions are kept where they fit.
        upgrade: True to keep none of them, or the names that are not kept.

    Raises:
        ConfigError: there is no such package or version, or the requirements contradict each other.
        IntegrityError: a local wheel contradicts its name.
        MissingPackageError: packages without a usable file, all of them, where `strictMissing` says so.
        NetworkError: a registry did not answer.
        WorkError: the build backend of an allowed source failed.
    """
    context, config, platform = host.context, host.config, host.platform
    kept = _kept(previous, upgrade, context.reporter)
    versions = {name: Version(package.version) for name, package in kept.items()}
    rules = config.packages_for(platform.key)
    local = LocalPages(config, platform)
    local.warn_of_others(context.reporter)
    files = RegistryFiles(context, config, local=local, work=host.work / "unhashed")
    policy = Policy(rules, Target(platform, config.python, config.build.floors), local=local.shown)
    sources = SourceMetadata(host, files, kept)
    locks = context.project.lock_path(config.version, platform.key).parent
    directs = DirectPackages(context, policy, sources, previous=kept, work=host.work, locks=locks)
    roots = [Requirement(text) for text in rules.dependencies]
    index = SolverIndex(roots, policy, files=files, sources=directs, kept=versions)
    solution = solve(
        index,
        preferences={**versions, **local.versions},
        what=f"{config.title} on {platform.key}",
        work=host.work / "solver",
    )
    selection = FileSelection(config, index, solution, directs)
    selection.warn(context.reporter)
    skipped = selection.skipped(context.reporter)
    lock = Lock(
        version=config.version,
        set_name=config.set_name,
        platform=platform.key,
        python=config.python,
        inputs="",
        packages=selection.packages(skipped, files, sources),
        skipped=skipped,
    )
    lock = replace(lock, inputs=input_checksum(config, platform.key, lock.names))
    return Resolution(lock=lock, index=index, solution=solution)


def _kept(previous: Lock | None, upgrade: bool | frozenset[str], reporter: Reporter) -> dict[str, LockedPackage]:
    if previous is None or upgrade is True:
        return {}
    names = upgrade or frozenset()
    known = {package.name for package in previous.packages}
    for name in sorted(names - known):
        reporter.warning(f"--upgrade {name}: the lock of {previous.title} for {previous.platform} has none.")
    return {package.name: package for package in previous.packages if package.name not in names}
