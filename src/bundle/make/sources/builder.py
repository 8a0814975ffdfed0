"""Runs source builds: each wheel is found in the cache, or built now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.artifacts.fetch_packages import fetch_packages
from bundle.artifacts.registries.fetch import addresses_in, git_address
from bundle.artifacts.registries.git import subfolder
from bundle.base.errors import ConfigError, WorkError
from bundle.base.reflink import place_file
from bundle.base.staging import staged_file
from bundle.base.text import did_you_mean
from bundle.make.sources.backend import BuildSpec, build_wheel
from bundle.make.sources.compatibility import check_fits
from bundle.make.sources.environment import compiler_identity, make_environment
from bundle.make.sources.failure import native_machine_needed
from bundle.make.sources.host import BuildHost
from bundle.make.sources.planner import SourceBuild, plan_builds
from bundle.make.sources.repair import repairer_identity
from bundle.make.sources.sdist import unpack_source
from bundle.make.sources.wheel_cache import BuiltCache, HandedCache, built_key, hand_over, handed_key
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.platforms import Platform
from bundle.model.wheeltags import is_pure, tags_of

_SHOWN = 3
"""Last lines of a failed build for a foreign platform that its error shows."""


class SourceBuilder:
    """Builds the source packages of one bundle."""

    def __init__(self, host: BuildHost) -> None:
        self._host = host
        self._context = host.context
        self._config = host.config
        self._cache = BuiltCache(host.context.store, reporter=host.context.reporter)
        self._handed = HandedCache(host.context.store)
        self._warned: set[str] = set()

    def plan(self, lock: Lock) -> tuple[SourceBuild, ...]:
        """Return the builds of a lock's source packages, with the wheels that earlier builds of the same made."""
        if all(package.kind != "source" for package in lock.packages):
            return ()
        host, own = self._host, None
        if not host.is_target:
            own = self._context.lock_status(self._config, host.machine).lock
        return tuple(self._looked_up(one) for one in plan_builds(lock, self._config, host.machine, own))

    def build(self, planned: SourceBuild, files: Mapping[str, Path]) -> SourceBuild:
        """Return a planned build with its wheel, built now unless another process has built it since.

        Args:
            files: the fetched files of the adapted package: by its key, and its build requirements' by sha256.

        Raises:
            WorkError: the build is refused, failed or hung, or its result does not fit the target.
        """
        if planned.refusal is not None or planned.key is None:
            raise planned.refusal or ValueError(f"{planned.package.name} was not planned")
        try:
            wheel = self._cache.obtain(planned.key, lambda: self._build(planned, files))
        except WorkError as error:
            if self._host.is_target:
                raise
            raise native_machine_needed(
                planned.package.name,
                planned.package.version,
                version=self._config.version,
                platform_key=self._host.platform.key,
                cause=f"To see whether it is pure it was built here, on {self._host.machine.key}: {error.what}",
                details=error.details[-_SHOWN:],
            ) from error
        return self._checked(planned, wheel)

    def _looked_up(self, planned: SourceBuild) -> SourceBuild:
        if (handed := self._handed_over(planned)) is not None:
            return handed
        if planned.refusal is not None:
            return planned
        package = planned.adapted
        spec = self._host.spec(package.name, package.version)
        key = self._key(package, spec)
        wheel = self._cache.get(key)
        if wheel is None and spec.network and self._context.offline:
            spec = replace(spec, network="")
            key = self._key(package, spec)
            wheel = self._cache.get(key)
        planned = replace(planned, key=key, isolation=self._host.isolation.name, network=spec.network)
        if wheel is None:
            return planned
        try:
            return self._checked(planned, wheel)
        except WorkError as error:
            return replace(planned, refusal=error)

    def _handed_over(self, planned: SourceBuild) -> SourceBuild | None:
        """Return a build for a foreign platform with the wheel that one of its machines handed over, if one did."""
        if self._host.is_target:
            return None
        found = self._handed.get(self.handed_key(planned.package))
        if found is None:
            return None
        spec = self._host.spec(planned.package.name, planned.package.version)
        planned = replace(planned, refusal=None, isolation=found.isolation, network=spec.network)
        try:
            return self._checked(planned, found.path)
        except WorkError as error:
            return replace(planned, refusal=error)

    def handed_key(self, package: LockedPackage) -> dict[str, Any]:
        """Return the key under which a machine of the bundle's platform hands the wheel of a package over."""
        return handed_key(
            self._host.spec(package.name, package.version),
            package,
            platform=self._host.platform.key,
            python=self._config.python,
            epoch=self._context.store.epoch,
        )

    def _build(self, planned: SourceBuild, files: Mapping[str, Path]) -> Path:
        package = planned.adapted
        label = f"{package.name}-{package.version}"
        tools = self._host.tools(label, log=label, network=bool(planned.network))
        tools.log.parent.mkdir(parents=True, exist_ok=True)
        tools.log.unlink(missing_ok=True)
        source = self._source(package, files, tools.work / "source")
        environment = make_environment(tools, [files[one.file.sha256] for one in package.build])
        return build_wheel(source, environment, self._host.spec(package.name, package.version), tools)

    def _source(self, package: LockedPackage, files: Mapping[str, Path], into: Path) -> Path:
        if package.vcs is None:
            return unpack_source(files[package.key], into)
        rules = self._config.packages_for(self._host.platform.key)
        address = git_address(package, addresses_in(rules.dependencies))
        self._context.repositories.checkout(address, package.vcs.commit, into)
        return subfolder(into, address, package.vcs.commit)

    def _checked(self, planned: SourceBuild, wheel: Path) -> SourceBuild:
        host = self._host
        warning = check_fits(
            wheel,
            host.platform,
            self._config.python,
            self._config.build.floors,
            interpreter_glibc=host.interpreter.layer.about.get("glibc") if host.is_target else None,
            version=self._config.version,
        )
        if warning is not None and warning not in self._warned:
            self._warned.add(warning)
            self._context.reporter.warning(warning)
        # The cache has just hashed the wheel, and names the folder by the hash.
        return replace(planned, wheel=wheel, sha256=wheel.parent.name)

    @cached_property
    def _compiler(self) -> str:
        return compiler_identity(self._context.environ or os.environ)

    def _key(self, package: LockedPackage, spec: BuildSpec) -> Mapping[str, Any]:
        return built_key(
            spec,
            source=package.key,
            interpreter=self._host.interpreter.layer.digest,
            wheels=[one.file.sha256 for one in package.build],
            machine={
                "platform": self._host.machine.key,
                "compiler": self._compiler,
                "repairer": repairer_identity(self._host.machine.system),
                "isolation": self._host.isolation.name,
            },
            epoch=self._context.store.epoch,
        )


def build_package(
    context: Context,
    config: Config,
    platform: Platform,
    lock: Lock,
    name: str,
    *,
    interpreters: tuple[str, ...] = (),
    handed: Path | None = None,
) -> Path:
    """Build the wheel of one source package of a lock, or find it built, and put it into the project's wheelhouse.

    Args:
        interpreters: `--interpreter`.
        handed: a folder for machines of other platforms, which gets the wheel as well if it is native.

    Raises:
        ConfigError: the lock has no such package, or takes it from a wheel.
        WorkError: the build failed.
    """
    package = lock.package(canonicalize_name(name))
    if package is None or package.kind != "source":
        sources = ", ".join(one.name for one in lock.packages if one.kind == "source")
        where = f"The lock of {config.version} for {platform.key}"
        known = [one.name for one in lock.packages]
        raise ConfigError(
            f"{where} has no package {name}.{did_you_mean(name, known)}"
            if package is None
            else f"{where} takes {name} from a wheel; there is nothing to build.",
            remedy=f"From source come: {sources or 'none'}. packages.forceSource adds others.",
        )
    logs = context.logs(f"{config.version}-{platform.key}")
    host = BuildHost(context=context, config=config, platform=platform, logs=logs, interpreters=interpreters)
    with host:
        builder = SourceBuilder(host)
        (planned,) = builder.plan(replace(lock, packages=(package,)))
        wheel = planned.wheel
        if wheel is None:
            missing = () if planned.refusal else (planned.adapted,)
            files = fetch_packages(context, config, replace(lock, packages=missing))
            wheel = builder.build(planned, files).wheel
        if wheel is None:
            raise ValueError(f"{name} was built without a wheel")
        target = context.project.wheelhouse / wheel.name
        with staged_file(target) as staging:
            place_file(wheel, staging)
        if handed is not None and not is_pure(tags_of(wheel.name)):
            hand_over(wheel, builder.handed_key(package), planned.isolation, handed)
    return target
