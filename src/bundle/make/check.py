"""What is wrong with a project before anything is built, and what is only suspicious."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.make.assemble.copyfiles import plan_copies
from bundle.model.config.config import Config
from bundle.model.config.json_source import KeyPath, Node, Origin, Table, origin_of, path_text, plain
from bundle.model.config.merge import Merged, merge
from bundle.model.config.project import SHARED, Loaded, Project
from bundle.model.locks.local_wheels import local_wheels, wheels_for
from bundle.model.locks.pylock import read_lock
from bundle.model.platforms import PLATFORMS, Platform, short_version

EXCEPTIONS = ("skip", "forceSource", "buildWheel", "overrides")
"""The keys of `packages` whose entries are about one package each."""

Releases = Callable[[str, Platform], Sequence[str]]
"""Which full versions of an X.Y an interpreter table has for a platform, newest first."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found about one version."""

    version: str
    problems: tuple[str, ...]
    """Each keeps the version from being built."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What was found about the versions asked for."""

    versions: tuple[Findings, ...]
    unused: tuple[str, ...]
    """Packages that the shared configuration makes exceptions for, and no version's lock has."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Worth knowing about what all versions share; nothing to act on at once."""
        if not self.unused:
            return ()
        count = len(self.unused)
        packages = "a package" if count == 1 else f"{count} packages"
        unused = f"{SHARED} has exceptions for {packages} that no version's lock has"
        return (f"{unused}; remove those that no version will need again.",)

    @property
    def failed(self) -> bool:
        """Whether any version has a problem."""
        return any(findings.problems for findings in self.versions)


def check_versions(
    project: Project, versions: Iterable[str], environ: Mapping[str, str], *, releases: Releases | None = None
) -> CheckReport:
    """Check versions, all problems of all of them at once.

    Args:
        project: the project.
        versions: names of existing version folders; none at all: every one.
        environ: the environment, for `${NAME}` in registry URLs.
        releases: the interpreter table; the one of python-build-standalone by default.

    Returns:
        the findings, in the order of `versions`.

    Raises:
        ConfigError: there is no version to carry the problems of `shared-config.json`, or a version is unknown.
    """
    asked = tuple(versions)
    for version in asked:
        project.require(version)
    if not project.versions():
        alone = Problems()
        project.shared(alone)
        alone.raise_if_any(f"{SHARED} has {len(alone.errors)} problems.")
    findings = [
        _check(project, version, environ, releases or standalone_releases) for version in asked or project.versions()
    ]
    return CheckReport(versions=tuple(findings), unused=() if asked else tuple(_unused_shared(project)))


def standalone_releases(python: str, platform: Platform) -> Sequence[str]:
    """Return the versions of an X.Y that python-build-standalone has for a platform, newest first."""
    from bundle.artifacts.interpreters.python_build_standalone import PbsTable

    return [release.python for release in PbsTable().releases(python, platform)]


def _check(project: Project, version: str, environ: Mapping[str, str], releases: Releases) -> Findings:
    problems = Problems()
    warnings: list[str] = []
    loaded = project.examine(version, environ, problems)
    if loaded is not None:
        _check_copies(loaded, problems)
        with problems.collecting():
            warnings.extend(_wheels_for_nobody(loaded.config))
        warnings.extend(_python_nobody_knows(loaded.config, releases))
        warnings.extend(_archives_nobody_asks(loaded.config))
        try:
            locked = _locked_names(project, version)
        except BundleError as error:
            warnings.append(f"{error.what} {error.remedy}")
        else:
            if locked is not None:
                warnings.extend(_dead_rules(loaded.tree, locked, f"versions/{version}/config.json"))
    return Findings(
        version=version,
        problems=tuple(_text(error) for error in problems.errors),
        warnings=tuple(warnings),
    )


def _text(error: BundleError) -> str:
    return " ".join(part for part in (error.what, error.cause) if part)


def _check_copies(loaded: Loaded, problems: Problems) -> None:
    said: set[tuple[Origin, str]] = set()
    for key in loaded.config.platforms:
        folded = loaded.tree.folded(key).tree
        for index, rule in enumerate(loaded.config.packages_for(key).copy_files):
            try:
                plan_copies([rule], site_packages=PLATFORMS[key].site_packages(loaded.config.python), folders=())
            except ConfigError as error:
                origin = origin_of(folded, ("packages", "copyFiles", index))
                if (origin, error.what) not in said:
                    said.add((origin, error.what))
                    problems.add(ConfigError(f"{origin}: {error.what}", cause=error.cause, remedy=error.remedy))


def _python_nobody_knows(config: Config, releases: Releases) -> Iterable[str]:
    sources = config.interpreter.sources
    without = []
    newest = ""
    for key in config.platforms:
        if "archive" in sources and key in config.interpreter.archives:
            continue
        known = releases(short_version(config.python), PLATFORMS[key])
        if "python-build-standalone" in sources and config.python in known:
            continue
        without.append(key)
        newest = newest or (known[0] if known else "")
    if not without:
        return
    where = "any platform" if len(without) == len(PLATFORMS) else ", ".join(without)
    nearest = f" The newest {short_version(config.python)} is {newest}." if newest else ""
    only = " Only a CPython of the building machine can serve." if "host" in sources else ""
    yield f"no interpreter source knows CPython {config.python} for {where}.{nearest}{only}"


def _archives_nobody_asks(config: Config) -> Iterable[str]:
    if config.interpreter.archives and "archive" not in config.interpreter.sources:
        yield 'interpreter.archives is never used: "archive" is not among interpreter.sources.'


def _wheels_for_nobody(config: Config) -> Iterable[str]:
    """Tell of wheels in the version's own folder that none of its platforms can take."""
    taken = {wheel.path for key in config.platforms for wheel in wheels_for(config, key)}
    return [
        f"{wheel.shown} is handed over and fits none of the platforms: its tags are for another Python or system, or "
        "above the floors (build.glibc, build.macos)."
        for wheel in local_wheels(config)
        if wheel.path not in taken and wheel.path.is_relative_to(config.folder)
    ]


def _locked_names(project: Project, version: str) -> set[str] | None:
    """Return every name that the version's locks speak of, None where there is no lock."""
    locks = [read_lock(path) for path in (project.lock_path(version, key) for key in PLATFORMS) if path.exists()]
    if not locks:
        return None
    packages = {one.name for lock in locks for one in lock.packages}
    return packages | {one.name for lock in locks for one in lock.skipped}


def _dead_rules(merged: Merged, locked: set[str], file: str) -> Iterable[str]:
    for path, name, origin in _rules(merged, file):
        if name not in locked:
            yield f"{origin}: {path}: no lock of this version has {name}; remove the rule if the package is gone."


def _rules(merged: Merged, file: str) -> Iterable[tuple[str, str, str]]:
    """Yield path, package and place of each exception that a file makes."""
    packages = merged.tree.get("packages")
    if not isinstance(packages, Table):
        return
    tables: list[tuple[KeyPath, Node | None]] = [(("packages", key), packages.get(key)) for key in EXCEPTIONS]
    specific = packages.get("platformSpecific")
    if isinstance(specific, Table):
        tables += [
            (("packages", "platformSpecific", key, "overrides"), own.get("overrides"))
            for key, own in specific.items()
            if isinstance(own, Table)
        ]
    for path, table in tables:
        for name, entry in table.items() if isinstance(table, Table) else ():
            parts = [entry, *(entry.values() if isinstance(entry, Table) else ())]
            mine = [part.origin for part in parts if part.origin.file == file]
            if mine and plain(entry) is not None:
                yield path_text((*path, name)), name, str(mine[0])


def _unused_shared(project: Project) -> Iterable[str]:
    """Yield the packages whose exceptions in the shared configuration no version uses, once every one has a lock."""
    problems = Problems()
    shared = project.shared(problems)
    locked: set[str] = set()
    for version in project.versions():
        try:
            names = _locked_names(project, version)
        except BundleError:
            # Already a warning of that version.
            return
        if names is None:
            return
        locked |= names
    if shared is None or problems.errors:
        return
    yield from sorted({name for _, name, _ in _rules(merge(Table(shared.origin), shared), SHARED)} - locked)
