"""Errors and likely mistakes in the configuration of a project, found without building."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.make.assemble.copyfiles import plan_copies
from bundle.make.build_inputs import check_inputs
from bundle.make.exceptions import unused_exceptions, unused_shared
from bundle.make.resolve.coverage import broken_skips
from bundle.model.config.config import Config
from bundle.model.config.json_source import KeyPath, Leaf, Origin, at, origin_of, path_text
from bundle.model.config.project import SHARED, Loaded, Project
from bundle.model.locks.local_wheels import local_wheels, wheels_for
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from bundle.model.platforms import PLATFORMS, Platform, short_version

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
    return CheckReport(versions=tuple(findings), unused=() if asked else tuple(unused_shared(project)))


def _check(project: Project, version: str, environ: Mapping[str, str], releases: Releases) -> Findings:
    problems = Problems()
    warnings: list[str] = []
    loaded = project.examine(version, environ, problems)
    if loaded is not None:
        _check_copies(loaded, problems)
        check_inputs(project, loaded, problems)
        with suppress(BundleError):  # What is wrong with local wheels is a problem already.
            warnings.extend(_unused_wheels(loaded.config))
        warnings.extend(_unknown_python(loaded.config, releases))
        warnings.extend(_unused_archives(loaded.config))
        warnings.extend(_untied_registries(loaded.config))
        warnings.extend(_written_passwords(loaded))
        if twin := project.twin(version):
            warnings.append(f"{version} and {twin} are one folder on macOS and Windows; rename one of them.")
        unread = Problems()
        locks = _locks(project, loaded.config, unread)
        for error in unread.errors:
            problems.add(error)
        warnings.extend(broken_skips(locks))
        if locks and not unread.errors:
            warnings.extend(unused_exceptions(loaded, locks))
    return Findings(
        version=version,
        problems=tuple(dict.fromkeys(_text(error) for error in problems.errors)),
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
    released = newest and "python-build-standalone" in sources
    nearest = f" The newest {short_version(config.python)} is {newest}." if released else ""
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


def _written_passwords(loaded: Loaded) -> Iterable[str]:
    """Warn of registries whose password stands in the file, where everybody who reads the project sees it."""
    tree = loaded.tree.tree
    additional = at(tree, ("registries", "additional"))
    count = len(additional) if isinstance(additional, list) else 0
    places: list[KeyPath] = [("registries", "default")]
    places += [("registries", "additional", index, *key) for index in range(count) for key in ((), ("url",))]
    for place in places:
        node = at(tree, place)
        password = urlsplit(str(node.value)).password if isinstance(node, Leaf) else None
        if password and "${" not in password:
            yield (
                f"{origin_of(tree, place)}: {path_text(place)}: the password stands in the file. "
                "Write ${NAME} in its place, and set that variable."
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


def _locks(project: Project, config: Config, problems: Problems) -> list[Lock]:
    """Return the locks of a version's platforms; a build refuses one that cannot be read, and makes no other."""
    locks: list[Lock] = []
    for path in project.lock_paths(config):
        if os.path.lexists(path):
            with problems.collecting():
                locks.append(read_lock(path))
    return locks
