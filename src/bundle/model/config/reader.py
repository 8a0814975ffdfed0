"""From the merged JSON to the values of `bundle.model.config.config`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.base.errors import ConfigError, Problems
from bundle.base.http.urls import conceal, is_readable, redact
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import (
    DEFAULT_ARCHIVES,
    DEFAULT_PARALLEL_DOWNLOADS,
    DEFAULT_SOURCES,
    DEFAULT_TIMEOUT,
    SOURCE_ARCHIVES,
    WHEELS_FOLDER,
    ArchiveSpec,
    BuildOptions,
    BuildWheel,
    Config,
    CopyFile,
    Interpreter,
    PackageSet,
    PlatformPackages,
    Registries,
    Registry,
    Resolution,
    Verification,
    WheelPlace,
)
from bundle.model.config.json_source import Step, at, origin_of, path_text
from bundle.model.config.merge import Merged
from bundle.model.config.patterns import ByName, platform_keys
from bundle.model.platforms import DEFAULT_GLIBC, DEFAULT_MACOS, PLATFORMS, Floors

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Reader:
    """Reads one merged configuration.

    Args:
        merged: valid under the schema.
        root: the project's folder.
        environ: for `${NAME}` in URLs, and `BUNDLE_PYTHON_MIRROR`.
    """

    def __init__(self, merged: Merged, *, root: Path, environ: Mapping[str, str], problems: Problems) -> None:
        self._merged = merged
        self._root = root
        self._environ = environ
        self._problems = problems

    def config(self, *, version: str, python: str, variant: str | None, folder: Path) -> Config:
        """Return the configuration; a value with a problem is left at its default."""
        value = self._merged.value
        return Config(
            version=version,
            python=python,
            variant=variant,
            folder=folder,
            registries=self._registries(value.get("registries", {})),
            interpreter=self._interpreter(value.get("interpreter", {})),
            platforms=tuple(key for key in PLATFORMS if key in value.get("platforms", PLATFORMS)),
            build=_build_options(value.get("build", {})),
            verify=Verification(
                accept=tuple(
                    _acceptance(entry, str(origin_of(self._merged.tree, ("verify", "accept", index))))
                    for index, entry in enumerate(value.get("verify", {}).get("accept", ()))
                ),
                known=value.get("verify", {}).get("known", True),
            ),
            packages={key: self._packages(key) for key in PLATFORMS},
            wheels=(
                *self._wheels(value.get("packages", {}).get("wheels", ())),
                WheelPlace(pattern=WHEELS_FOLDER, base=folder, named=False),
                WheelPlace(pattern=WHEELS_FOLDER, base=self._root, named=False),
            ),
            sets=self._sets(value.get("packages", {}).get("sets", {}), value.get("build", {}).get("layout")),
        )

    def _sets(self, value: Mapping[str, Any], layout: str | None) -> dict[str, PackageSet]:
        if value and layout != "wheelhouse":
            self._add(
                ("packages", "sets"),
                f"sets need build.layout wheelhouse, and it is {layout or 'installed'}: one site-packages holds one "
                "version of each package.",
                'Set build.layout to "wheelhouse", or make each set a version of its own (`bundle new`).',
            )
        return {
            name: PackageSet(
                dependencies=tuple(entry["dependencies"]),
                folders=dict(self._folders(("packages", "sets", name, "dependencies"), entry["dependencies"])),
                overrides=entry.get("overrides", {}),
            )
            for name, entry in value.items()
        }

    def _wheels(self, patterns: Iterable[str]) -> Iterator[WheelPlace]:
        for index, pattern in enumerate(patterns):
            yield WheelPlace(pattern=pattern, base=self._base("packages", "wheels", index))

    def _registries(self, value: Mapping[str, Any]) -> Registries:
        default = None
        if "default" in value:
            url, missing = self._expanded(value["default"])
            default = url
            self._demand(missing, "registries", "default")
        additional = []
        for index, entry in enumerate(value.get("additional", [])):
            tied = isinstance(entry, dict)
            url, missing = self._expanded(entry["url"] if tied else entry)
            if not tied:
                self._demand(missing, "registries", "additional", index)
            packages = entry["packages"] if tied else ()
            origin = str(origin_of(self._merged.tree, ("registries", "additional", index, *(("url",) if tied else ()))))
            additional.append(Registry(url=url, packages=packages, missing=missing, origin=origin))
        return Registries(default=default, additional=tuple(additional))

    def _interpreter(self, value: Mapping[str, Any]) -> Interpreter:
        archives = {}
        for key, entry in value.get("archives", {}).items():
            path = ("interpreter", "archives", key)
            if ("url" in entry) == ("path" in entry) or "sha256" not in entry:
                self._add(path, 'needs "sha256", and either "url" or "path".', "Complete the archive's entry.")
                continue
            archives[key] = ArchiveSpec(
                sha256=entry["sha256"].lower(),
                url=entry.get("url"),
                path=(self._base(*path, "path") / entry["path"]).resolve() if "path" in entry else None,
            )
        return Interpreter(
            sources=tuple(value.get("sources", DEFAULT_SOURCES)),
            mirror=self._environ.get("BUNDLE_PYTHON_MIRROR") or value.get("mirror"),
            archives=archives,
            substitute=value.get("substitute", "never"),
        )

    def _packages(self, platform_key: str) -> PlatformPackages:
        folded = self._merged.folded(platform_key)
        value = folded.value.get("packages", {})
        resolution = value.get("resolution", {})
        builds = _there(value.get("buildWheel", {}), platform_key)
        skipped = _there(value.get("skip", {}), platform_key)
        return PlatformPackages(
            dependencies=tuple(value.get("dependencies", ())),
            folders=dict(self._folders(("packages", "dependencies"), value.get("dependencies", ()), folded)),
            constraints=tuple(value.get("constraints", ())),
            hashes=ByName(
                {
                    name: frozenset(one.removeprefix("sha256:") for one in hashes)
                    for name, hashes in value.get("hashes", {}).items()
                }
            ),
            overrides=value.get("overrides", {}),
            skip=ByName(skipped),
            skip_origins=ByName(
                {name: str(origin_of(folded.tree, ("packages", "skip", name, platform_key))) for name in skipped}
            ),
            force_source=ByName(_there(value.get("forceSource", {}), platform_key)),
            build_wheel=ByName(
                {
                    name: self._build_wheel(name, platform_key, entry)
                    for name, entry in builds.items()
                    if entry.keys() != {"network"}
                }
            ),
            network=ByName({name: entry["network"] for name, entry in builds.items() if "network" in entry}),
            no_deps=frozenset(value.get("noDeps", ())),
            resolution=Resolution(
                allow_source_all=resolution.get("allowSourceAll", False),
                strict_missing=resolution.get("strictMissing", True),
                allow_source=frozenset(resolution.get("allowSourceList", ())),
                force_source=frozenset(resolution.get("forceNoBinaryList", ())),
                only_binary=frozenset(resolution.get("onlyBinaryList", ())),
            ),
            copy_files=tuple(
                CopyFile(
                    source=entry["from"],
                    target=entry["to"],
                    base=self._base("packages", "copyFiles", index, "from", merged=folded),
                    replace=entry.get("replace", False),
                )
                for index, entry in enumerate(value.get("copyFiles", ()))
            ),
            environment=folded.value.get("runtime", {}).get("environment", {}).get(platform_key, {}),
        )

    def _folders(
        self, path: tuple[Step, ...], dependencies: Iterable[str], merged: Merged | None = None
    ) -> Iterator[tuple[str, Path]]:
        for index, requirement in enumerate(map(Requirement, dependencies)):
            parts = urlsplit(requirement.url or "")
            if not parts.path or parts.scheme not in ("", "file") or parts.path.endswith((".whl", *SOURCE_ARCHIVES)):
                continue
            base = self._base(*path, index, merged=merged)
            yield canonicalize_name(requirement.name), Path(os.path.normpath(base / unquote(parts.path)))

    def _build_wheel(self, name: str, platform_key: str, entry: Mapping[str, Any]) -> BuildWheel:
        if "reason" not in entry:
            self._add(
                ("packages", "buildWheel", name, platform_key),
                'lacks "reason".',
                "Add the reason for the source build.",
            )
        return BuildWheel(
            reason=entry.get("reason", ""),
            build_requires=tuple(entry.get("buildRequires", ())),
            config_settings={
                key: tuple(value) if isinstance(value, list) else value
                for key, value in entry.get("configSettings", {}).items()
            },
            environment=entry.get("environment", {}),
        )

    def _expanded(self, template: str) -> tuple[str, tuple[str, ...]]:
        """Return the URL with every set variable in its place, and the names of the others."""
        missing = [name for name in _VARIABLE.findall(template) if not self._environ.get(name)]
        url = _VARIABLE.sub(lambda match: self._environ.get(match[1]) or match[0], template)
        if not missing and not is_readable(url):
            problem = f"The address of a registry, {redact(template)}, is no URL with the environment's variables."
            self._problems.add(ConfigError(problem, remedy="Correct the variable, or the address's host or port."))
        for name in _VARIABLE.findall(template):
            conceal(self._environ.get(name, ""), url)
        return url, tuple(dict.fromkeys(missing))

    def _demand(self, missing: tuple[str, ...], *path: Step) -> None:
        for name in missing:
            self._add(path, f"the environment variable {name} is not set.", f"Set {name} to what the URL needs.")

    def _add(self, path: tuple[Step, ...], message: str, remedy: str) -> None:
        origin = origin_of(self._merged.tree, path)
        self._problems.add(ConfigError(f"{origin}: {path_text(path)}: {message}", remedy=remedy))

    def _base(self, *path: Step, merged: Merged | None = None) -> Path:
        """Return the folder of the file that a value was written in."""
        node = at((merged or self._merged).tree, path)
        if node is None:
            raise KeyError(path_text(path))
        return (self._root / node.origin.file).parent


def _acceptance(entry: Mapping[str, Any], origin: str) -> Acceptance:
    error = entry.get("error", "")
    keys = dict.fromkeys(key for pattern in entry.get("platforms", ()) for key in platform_keys(pattern))
    error = error if isinstance(error, str) else tuple(error)
    return Acceptance(**{**entry, "platforms": tuple(keys), "error": error, "origin": origin})


def _there(exceptions: Mapping[str, Mapping[str, Any]], platform_key: str) -> dict[str, Any]:
    return {name: entries[platform_key] for name, entries in exceptions.items() if platform_key in entries}


def _build_options(value: Mapping[str, Any]) -> BuildOptions:
    parallel = value.get("parallelDownloads", True)
    if isinstance(parallel, bool):
        parallel = DEFAULT_PARALLEL_DOWNLOADS if parallel else 1
    archives = value.get("archives", {})
    return BuildOptions(
        enable_logging=value.get("enableLogging", False),
        parallel_downloads=int(parallel),
        timeout=float(value.get("timeout", DEFAULT_TIMEOUT)),
        isolation=value.get("isolation", "auto"),
        layout=value.get("layout", "installed"),
        archives={key: tuple(archives.get(key, DEFAULT_ARCHIVES)) for key in PLATFORMS},
        compression=value.get("compression", "default"),
        bytecode=value.get("bytecode", False),
        user_site=value.get("userSite", False),
        carry=value.get("carry"),
        floors=Floors(glibc=value.get("glibc", DEFAULT_GLIBC), macos=value.get("macos", DEFAULT_MACOS)),
    )
