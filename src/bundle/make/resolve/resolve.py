"""From a configuration to a lock: the solver finds versions, the policy finds files, sources tell what they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.artifacts.registries.git import Repositories
from bundle.artifacts.registries.metadata import MetadataCache
from bundle.make.resolve.build_requirements import BuildRequirementSolver
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.file_selection import FileSelection
from bundle.make.resolve.local_pages import LocalPages
from bundle.make.resolve.policy import Policy, Target
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.requirements import Rewriter
from bundle.make.resolve.settle import settle
from bundle.make.resolve.solver_index import SolverIndex
from bundle.make.resolve.source_metadata import SourceContext, SourceMetadata
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, LockedPackage, input_checksum
from bundle.model.platforms import Platform

if TYPE_CHECKING:
    from bundle.artifacts.registries.registries import Registries
    from bundle.artifacts.store.store import Store
    from bundle.base.http.client import Downloader
    from bundle.base.report import Reporter


def resolve(
    config: Config,
    platform: Platform,
    *,
    registries: Registries,
    repositories: Repositories,
    store: Store,
    downloader: Downloader,
    interpreter: Callable[[], Path],
    machine: Platform | None,
    previous: Lock | None,
    upgrade: bool | frozenset[str],
    reporter: Reporter,
    work: Path,
    logs: Path,
) -> Lock:
    """Resolve what one version needs on one platform.

    Args:
        config: the version's configuration.
        platform: the target.
        registries: where packages come from.
        repositories: git's.
        store: caches.
        downloader: fetches and verifies.
        interpreter: gives the bundle's interpreter for this machine; called only if a source must be asked.
        machine: the platform of this machine, if it is one of ours.
        previous: the last lock; its versions are kept where they fit.
        upgrade: True to keep none of them, or the names that are not kept.
        reporter: told what is going on.
        work: scratch folder.
        logs: folder for what build backends print.

    Raises:
        ConfigError: there is no such package or version, or the requirements contradict each other.
        IntegrityError: a wheel that is handed over is not what its name says.
        MissingPackageError: packages without a usable file, all of them, where `strictMissing` says so.
        NetworkError: a registry did not answer.
        WorkError: a source that policy allows could not be asked.
    """
    target = Target(platform=platform, python=config.python, floors=config.build.floors)
    handover = LocalPages(config, platform)
    handover.warn_of_others(reporter)
    shelf = RegistryFiles(
        registries,
        downloader=downloader,
        files=store.files,
        folder=store.root,
        reporter=reporter,
        work=work / "unhashed",
        handover=handover,
    )
    kept = _kept(previous, upgrade, reporter)
    workshop = SourceContext(
        python=config.python,
        target=platform,
        machine=machine,
        interpreter=interpreter,
        wheel=lambda one: shelf.fetched(one.name, one.file),
        timeout=config.build.timeout,
        epoch=store.epoch,
        logs=logs,
        work=work,
        reporter=reporter,
    )
    rules = config.packages_for(platform.key)
    needs = SourceMetadata(
        workshop,
        rules=rules.build_wheel,
        solve=BuildRequirementSolver(shelf, config, work),
        cache=MetadataCache(store.folder("metadata")),
        kept={name: {one.name: Version(one.version) for one in package.build} for name, package in kept.items()},
    )
    shelf.ask_source = needs.metadata
    policy = Policy(rules, target, handed=handover.shown)
    directs = DirectPackages(
        policy=policy,
        needs=needs,
        repositories=repositories,
        downloader=downloader,
        files=store.files,
        previous=kept,
        work=work,
    )
    versions = {name: Version(package.version) for name, package in kept.items()}
    roots = [Requirement(text) for text in rules.dependencies]
    rewriter = Rewriter(rules, target.environment)
    candidates = SolverIndex(roots, shelf=shelf, policy=policy, rewriter=rewriter, directs=directs, kept=versions)
    solution = settle(
        roots,
        candidates,
        rewriter=rewriter,
        target=target,
        preferences={**versions, **handover.versions},
        what=f"{config.version} on {platform.key}",
        work=work / "solver",
    )
    chosen = FileSelection(config, policy, solution, candidates, directs)
    skipped = chosen.skipped(reporter)
    packages = chosen.packages(skipped, shelf, needs, parallel=config.build.parallel_downloads)
    return Lock(
        version=config.version,
        platform=platform.key,
        python=config.python,
        inputs=input_checksum(config, platform.key),
        packages=packages,
        skipped=skipped,
    )


def _kept(previous: Lock | None, upgrade: bool | frozenset[str], reporter: Reporter) -> dict[str, LockedPackage]:
    if previous is None or upgrade is True:
        return {}
    names = upgrade or frozenset()
    known = {package.name for package in previous.packages}
    for name in sorted(names - known):
        reporter.warning(f"--upgrade {name}: the lock for {previous.platform} has no such package.")
    return {package.name: package for package in previous.packages if package.name not in names}
