"""The wheels of the packages that are built from source: found in the cache, or built now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.artifacts.fetch_packages import fetch_packages
from bundle.artifacts.interpreters.command_line import SOURCES
from bundle.artifacts.registries.fetch import addresses_in, git_address
from bundle.artifacts.registries.git import subfolder
from bundle.base.errors import ConfigError, WorkError
from bundle.base.files import staged_file
from bundle.base.reflink import place_file
from bundle.base.text import did_you_mean, shortened
from bundle.make.interpreter.prepare import Interpreter, prepare_interpreter
from bundle.make.sources.backend import BuildSpec, build_wheel
from bundle.make.sources.compatibility import check_fits
from bundle.make.sources.environment import SourceBuildTools, compiler_identity, make_environment
from bundle.make.sources.repair import repairer_identity
from bundle.make.sources.sdist import unpack_source
from bundle.make.sources.wheel_cache import BuiltCache, built_key
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.locks.status import status_of
from bundle.model.platforms import PLATFORMS, Platform
from bundle.model.wheeltags import fits, tags_of

_SHOWN = 3
"""Last lines of a build that was only tried."""


@dataclass(kw_only=True)
class SourceBuilder:
    """Builds the source packages of one bundle; a context manager.

    They are built with the bundle's own interpreter, or, for a foreign platform, with this machine's interpreter of the
    same version: what comes out pure serves every platform, and is the same wheel for all of them.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
        logs: folder that gets a log file for each build.
        interpreter: the bundle's, if there is one already.
        interpreters: `--interpreter`.
    """

    context: Context
    config: Config
    platform: Platform
    logs: Path
    interpreter: Interpreter | None = None
    interpreters: tuple[str, ...] = ()
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _python: Path | None = field(default=None, init=False, repr=False)
    _warned: set[str] = field(default_factory=set, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def python(self) -> Path:
        """The executable of an interpreter that runs here, unpacked the first time that it is needed."""
        if self._python is None:
            self._python = self._stack.enter_context(self.maker.unpacked(self.context))
        return self._python

    @cached_property
    def maker(self) -> Interpreter:
        """The interpreter that builds: the bundle's own where this machine can run it."""
        machine = self._machine
        if self.interpreter is not None and self.interpreter.platform == machine:
            return self.interpreter
        # A path alone is about the bundle's interpreter; that of this machine has to be named by its key.
        named = tuple(one for one in self.interpreters if one in SOURCES or one.partition("=")[0] in PLATFORMS)
        return prepare_interpreter(self.context, self.config, machine, named)

    def adapted(self, package: LockedPackage) -> LockedPackage:
        """Return a source package with build requirements that can be installed here, if that is possible.

        The lock of a foreign platform pins what a native build needs there. Where some of that has native code, the
        lock of this machine's platform tells what the same source is built with here.

        Args:
            package: from the lock.
        """
        if package.kind != "source" or self._runs_here(package):
            return package
        path = self.context.project.lock_path(self.config.version, self._machine.key)
        own = status_of(path, self.config, self._machine).lock
        twin = None if own is None else own.package(package.name)
        if twin is None or twin.kind != "source" or twin.key != package.key:
            return package
        return replace(package, build=twin.build)

    def find(self, package: LockedPackage) -> Path | None:
        """Return the wheel that an earlier build of just this made, None if there was none that fits the target.

        Args:
            package: from the lock.
        """
        if self.refusal(package) is not None:
            return None  # Whoever obtains it is told.
        wheel = self._cache.get(self._key(self.adapted(package)))
        return None if wheel is None else self._accepted(wheel)

    def obtain(self, package: LockedPackage, files: Mapping[str, Path]) -> Path:
        """Return the wheel of a source package, built now if need be.

        Args:
            package: from the lock.
            files: the fetched files of the adapted package: by its key, and its build requirements' by sha256.

        Raises:
            WorkError: the build failed, hung, or its result does not fit the target.
        """
        if (refused := self.refusal(package)) is not None:
            raise refused
        package = self.adapted(package)
        try:
            wheel = self._cache.obtain(self._key(package), lambda: self._build(package, files))
        except WorkError as error:
            if self.platform == self._machine:
                raise
            tried = f"To see whether it is pure it was built here, on {self._machine.key}: {error.what}"
            raise self._needs_native_machine(package, tried, error.details[-_SHOWN:]) from error
        return self._accepted(wheel)

    def refusal(self, package: LockedPackage) -> WorkError | None:
        """Return why a package cannot be built here, if that is known without trying.

        Args:
            package: from the lock.
        """
        if package.kind != "source" or self.platform == self._machine:
            return None
        if package.available and not any(tag.endswith(" any") for tag in package.available):
            native = f"It has native code: its wheels are for {shortened(package.available)}."
            return self._needs_native_machine(package, native)
        package = self.adapted(package)
        if not self._runs_here(package):
            native = ", ".join(one.file.name for one in package.build if not one.file.name.endswith("-none-any.whl"))
            return self._needs_native_machine(package, f"What it is built with has native code itself: {native}")
        wheel = self._cache.get(self._key(package))
        try:
            if wheel is not None:
                self._accepted(wheel)
        except WorkError as error:
            return error
        return None

    def _build(self, package: LockedPackage, files: Mapping[str, Path]) -> Path:
        work = self._stack.enter_context(self.context.store.work())
        log = self.logs / f"{package.name}-{package.version}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        tools = SourceBuildTools(
            python=self.python,
            machine=self._machine,
            timeout=self.config.build.timeout,
            log=log,
            reporter=self.context.reporter,
            work=work,
            epoch=self.context.store.epoch,
            environ=self.context.environ,
        )
        source = self._source(package, files, work / "source")
        environment = make_environment(tools, [files[one.file.sha256] for one in package.build])
        return build_wheel(source, environment, recipe_of(package, self.config, self.platform.key), tools)

    def _accepted(self, wheel: Path) -> Path:
        own = self.platform == self._machine
        warning = check_fits(
            wheel,
            self.platform,
            self.config.python,
            self.config.build.floors,
            interpreter_glibc=self.maker.layer.about.get("glibc") if own else None,
            version=self.config.version,
        )
        if warning is not None and warning not in self._warned:
            self._warned.add(warning)
            self.context.reporter.warning(warning)
        return wheel

    def _runs_here(self, package: LockedPackage) -> bool:
        """Return whether everything that a source is built with can be installed on this machine."""
        if self.platform == self._machine:
            return True
        names = (one.file.name for one in package.build)
        floors = self.config.build.floors
        return all(fits(tags_of(name), self._machine, self.config.python, floors) for name in names)

    def _needs_native_machine(self, package: LockedPackage, cause: str, details: Sequence[str] = ()) -> WorkError:
        key = self.platform.key
        return WorkError(
            f"{package.name} {package.version} comes as source: building it for {key} needs a native {key} machine.",
            cause=cause,
            details=details,
            remedy=f"Build it there (`bundle wheel {self.config.version} {package.name} --platform {key}`) and put the "
            f"wheel into versions/{self.config.version}/wheels/, or skip the package there with a reason "
            f"(packages.skip.{package.name}.{key}).",
        )

    @property
    def _machine(self) -> Platform:
        if self.context.machine is None:
            raise WorkError(
                f"Packages of {self.config.version} are to be built from source, and this machine is none of the known "
                "platforms.",
                remedy="Build on one of the platforms that `bundle platforms` lists.",
            )
        return self.context.machine

    def _source(self, package: LockedPackage, files: Mapping[str, Path], into: Path) -> Path:
        if package.vcs is None:
            return unpack_source(files[package.key], into)
        rules = self.config.packages_for(self.platform.key)
        address = git_address(package, addresses_in(rules.dependencies))
        self.context.repositories.checkout(address, package.vcs.commit, into)
        return subfolder(into, address, package.vcs.commit)

    @cached_property
    def _compiler(self) -> str:
        return compiler_identity(self.context.environ or os.environ)

    @property
    def _cache(self) -> BuiltCache:
        return BuiltCache(self.context.store.folder("built"), reporter=self.context.reporter)

    def _key(self, package: LockedPackage) -> Mapping[str, Any]:
        return built_key(
            recipe_of(package, self.config, self.platform.key),
            source=package.key,
            interpreter=self.maker.layer.digest,
            wheels=[one.file.sha256 for one in package.build],
            compiler=self._compiler,
            repairer=repairer_identity(self._machine.system),
            platform=self._machine,
            epoch=self.context.store.epoch,
        )


def recipe_of(package: LockedPackage, config: Config, platform_key: str) -> BuildSpec:
    """Return what shapes the build of a package: its entry in `packages.buildWheel`, if it has one."""
    rule = config.packages_for(platform_key).build_wheel.get(package.name)
    if rule is None:
        return BuildSpec(name=package.name, version=package.version)
    return BuildSpec(
        name=package.name,
        version=package.version,
        build_requires=rule.build_requires,
        config_settings=rule.config_settings,
    )


def build_package(context: Context, config: Config, platform: Platform, lock: Lock, name: str) -> Path:
    """Build the wheel of one source package of a lock, or find it built, and put it into the project's wheelhouse.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
        lock: the version's, for that platform.
        name: the package.

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
    with SourceBuilder(context=context, config=config, platform=platform, logs=logs) as builder:
        wanted = replace(lock, packages=(builder.adapted(package),))
        wheel = builder.obtain(package, fetch_packages(context, config, wanted))
        target = context.project.wheelhouse / wheel.name
        with staged_file(target) as staging:
            place_file(wheel, staging)
    return target
