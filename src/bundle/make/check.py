"""Errors and likely mistakes in the configuration of a project, found without building."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.make.assemble.copyfiles import plan_copies
from bundle.make.resolve.coverage import broken_skips, cells_of
from bundle.model.config.config import Config
from bundle.model.config.json_source import KeyPath, Node, Origin, Table, origin_of, path_text, plain
from bundle.model.config.merge import Merged, merge
from bundle.model.config.project import SHARED, Loaded, Project
from bundle.model.locks.local_wheels import local_wheels, wheels_for
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from bundle.model.platforms import PLATFORMS, Platform, short_version

EXCEPTIONS = ("skip", "forceSource", "buildWheel", "overrides")
"""The keys of `packages` that make exceptions for single packages."""

Releases = Callable[[str, Platform], Sequence[str]]
"""Takes X.Y and a platform; returns the known full versions, newest first."""


def _standalone_releases(python: str, platform: Platform) -> Sequence[str]:
    from bundle.artifacts.interpreters.python_build_standalone import PbsTable

    return [release.python for release in PbsTable().releases(python, platform)]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Problems and warnings of one version."""

    version: str
    problems: tuple[str, ...]
    """Errors, each of which prevents a build."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Problems and warnings of the versions, and of what they share."""

    versions: tuple[Findings, ...]
    unused: tuple[str, ...]
    """Packages with exceptions in the shared configuration that are in no lock."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the shared configuration that need no action at once."""
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
    project: Project, versions: Iterable[str], environ: Mapping[str, str], *, releases: Releases = _standalone_releases
) -> CheckReport:
    """Check versions and collect all their problems.

    Args:
        versions: names of version folders; if empty, all versions.
        environ: for `${NAME}` in registry URLs.

    Raises:
        ConfigError: a version is unknown, or there is none and `shared-config.json` is wrong.
    """
    asked = tuple(versions)
    for version in asked:
        project.require(version)
    if not project.versions():
        alone = Problems()
        project.shared(alone)
        alone.raise_if_any(f"{SHARED} has {len(alone.errors)} problems.")
    findings = [_check(project, version, environ, releases) for version in asked or project.versions()]
    return CheckReport(versions=tuple(findings), unused=() if asked else tuple(_unused_shared(project)))


def _check(project: Project, version: str, environ: Mapping[str, str], releases: Releases) -> Findings:
    problems = Problems()
    warnings: list[str] = []
    loaded = project.examine(version, environ, problems)
    if loaded is not None:
        _check_copies(loaded, problems)
        with problems.collecting():
            warnings.extend(_unused_wheels(loaded.config))
        warnings.extend(_unknown_python(loaded.config, releases))
        warnings.extend(_unused_archives(loaded.config))
        warnings.extend(_untied_registries(loaded.config))
        try:
            locks = _locks(project, version)
        except BundleError as error:
            warnings.append(f"{error.what} {error.remedy}")
        else:
            warnings.extend(broken_skips(locks))
            if locks:
                names = _names_in(locks)
                warnings.extend(_unused_exceptions(loaded.tree, names, f"versions/{version}/config.json"))
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
        rules = loaded.config.packages_for(key).copy_files
        alone = [((rule,), ("packages", "copyFiles", index)) for index, rule in enumerate(rules)]
        failed = False
        for some, path in (*alone, (rules, ("packages", "copyFiles"))):
            try:
                if path[-1] == "copyFiles" and failed:
                    continue  # All together would only fail once more.
                plan_copies(some, platform=PLATFORMS[key], python=loaded.config.python)
            except ConfigError as error:
                failed = True
                origin = origin_of(folded, path)
                if (origin, error.what) not in said:
                    said.add((origin, error.what))
                    details = [line for line in error.details if "copyFiles" in line]
                    what = " ".join([f"{origin}: {error.what}", *details])
                    problems.add(ConfigError(what, cause=error.cause, remedy=error.remedy))


def _unknown_python(config: Config, releases: Releases) -> Iterable[str]:
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


def _unused_archives(config: Config) -> Iterable[str]:
    if config.interpreter.archives and "archive" not in config.interpreter.sources:
        yield 'interpreter.archives is never used: "archive" is not among interpreter.sources.'


def _untied_registries(config: Config) -> Iterable[str]:
    for registry in config.registries.additional:
        if not registry.packages:
            yield (
                f"{registry.origin}: registries.additional: this registry comes before the default for every package "
                "that it has; tie it to its own packages ({url, packages})."
            )


def _unused_wheels(config: Config) -> Iterable[str]:
    """Warn of wheels in the version's own folder that fit none of its platforms."""
    taken = {wheel.path for key in config.platforms for wheel in wheels_for(config, key)}
    return [
        f"{wheel.shown} fits none of the version's platforms: its tags are for another Python or system, or "
        "above the floors (build.glibc, build.macos)."
        for wheel in local_wheels(config)
        if wheel.path not in taken and wheel.path.is_relative_to(config.folder)
    ]


def _locks(project: Project, version: str) -> list[Lock]:
    paths = (project.lock_path(version, key) for key in PLATFORMS)
    return [read_lock(path) for path in paths if path.exists()]


def _names_in(locks: Iterable[Lock]) -> set[str]:
    return {name for lock in locks for name in cells_of(lock)}


def _unused_exceptions(merged: Merged, locked: set[str], file: str) -> Iterable[str]:
    for path, name, origin in _exceptions(merged, file):
        if not any(fnmatchcase(one, name) for one in locked):
            yield f"{origin}: {path}: {name} is in no lock of this version; remove the entry if it is not needed."


def _exceptions(merged: Merged, file: str) -> Iterable[tuple[str, str, str]]:
    """Yield path, package and place of each exception in a file."""
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
    """Yield the packages with unused exceptions in the shared configuration; none unless every version has a lock."""
    problems = Problems()
    shared = project.shared(problems)
    locked: set[str] = set()
    for version in project.versions():
        try:
            locks = _locks(project, version)
        except BundleError:
            # Already a warning of that version.
            return
        if not locks:
            return
        locked |= _names_in(locks)
    if shared is None or problems.errors:
        return
    named = {name for _, name, _ in _exceptions(merge(Table(shared.origin), shared), SHARED)}
    yield from sorted(name for name in named if not any(fnmatchcase(one, name) for one in locked))
