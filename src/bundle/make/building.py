"""The wheels of the packages that are built from source: found in the cache, or built now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packaging.utils import canonicalize_name

from bundle.base.errors import ConfigError, WorkError
from bundle.base.files import staged_file
from bundle.base.linking import place_file
from bundle.make.buildenv import Toolbox, compiler_identity, make_environment
from bundle.make.built import BuiltCache, built_key
from bundle.make.context import Context
from bundle.make.fetch import addresses_in, fetch_packages, git_address
from bundle.make.fits import check_fits
from bundle.make.git import subfolder
from bundle.make.interpreter import Interpreter, prepare_interpreter
from bundle.make.sdists import unpack_source
from bundle.make.sources import Recipe, build_wheel
from bundle.model.config import Config
from bundle.model.lock import Lock, LockedPackage
from bundle.model.platforms import Platform


@dataclass(kw_only=True)
class SourceBuilder:
    """Builds the source packages of one bundle with the bundle's own interpreter; a context manager.

    Args:
        context: the world.
        config: the version.
        interpreter: the bundle's.
        logs: folder that gets a log file for each build.
    """

    context: Context
    config: Config
    interpreter: Interpreter
    logs: Path
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _python: Path | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def python(self) -> Path:
        """The executable of the interpreter, unpacked the first time that it is needed."""
        if self._python is None:
            self._python = self._stack.enter_context(self.interpreter.unpacked(self.context))
        return self._python

    def find(self, package: LockedPackage) -> Path | None:
        """Return the wheel that an earlier build of just this made, None if there was none."""
        return self._cache.get(self._key(package))

    def obtain(self, package: LockedPackage, files: Mapping[str, Path]) -> Path:
        """Return the wheel of a source package, built now if need be.

        Args:
            package: from the lock.
            files: the fetched files by the package's key and its build requirements' sha256.

        Raises:
            WorkError: the build failed, hung, or its result does not fit the target.
        """
        recipe = recipe_of(package, self.config, self.interpreter.platform.key)
        machine = self.context.machine
        if machine is None:
            raise WorkError(
                f"{recipe.label} is to be built from source, and this machine is none of the known platforms.",
                remedy="Build on one of the platforms that `bundle platforms` lists.",
            )

        def build() -> Path:
            work = self._stack.enter_context(self.context.store.work())
            log = self.logs / f"{package.name}-{package.version}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.unlink(missing_ok=True)
            toolbox = Toolbox(
                python=self.python,
                machine=machine,
                timeout=self.config.build.timeout,
                log=log,
                reporter=self.context.reporter,
                work=work,
                epoch=self.context.store.epoch,
                environ=self.context.environ,
            )
            source = self._source(package, files, work / "source")
            environment = make_environment(toolbox, [files[one.file.sha256] for one in package.build])
            return build_wheel(source, environment, recipe, toolbox)

        wheel = self._cache.obtain(self._key(package), build)
        check_fits(wheel, self.interpreter.platform, self.config.python, self.config.build.floors)
        return wheel

    def _source(self, package: LockedPackage, files: Mapping[str, Path], into: Path) -> Path:
        if package.vcs is None:
            return unpack_source(files[package.key], into)
        rules = self.config.packages_for(self.interpreter.platform.key)
        address = git_address(package, addresses_in(rules.dependencies))
        self.context.repositories.checkout(address, package.vcs.commit, into)
        return subfolder(into, address, package.vcs.commit)

    @property
    def _cache(self) -> BuiltCache:
        return BuiltCache(self.context.store.folder("built"), reporter=self.context.reporter)

    def _key(self, package: LockedPackage) -> Mapping[str, Any]:
        platform = self.interpreter.platform
        return built_key(
            recipe_of(package, self.config, platform.key),
            source=package.key,
            interpreter=self.interpreter.layer.digest,
            wheels=[one.file.sha256 for one in package.build],
            compiler=compiler_identity(self.context.environ or os.environ),
            platform=self.context.machine or platform,
            epoch=self.context.store.epoch,
        )


def recipe_of(package: LockedPackage, config: Config, platform_key: str) -> Recipe:
    """Return what shapes the build of a package: its entry in `packages.buildWheel`, if it has one."""
    rule = config.packages_for(platform_key).build_wheel.get(package.name)
    if rule is None:
        return Recipe(name=package.name, version=package.version)
    return Recipe(
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
        what = "has no package" if package is None else "takes from a wheel"
        raise ConfigError(
            f"The lock of {config.version} for {platform.key} {what} {name}.",
            remedy=f"From source come: {sources or 'none'}. packages.forceSource adds others.",
        )
    files = fetch_packages(context, config, replace(lock, packages=(package,)))
    interpreter = prepare_interpreter(context, config, platform, ())
    logs = context.logs(f"{config.version}-{platform.key}")
    with SourceBuilder(context=context, config=config, interpreter=interpreter, logs=logs) as builder:
        wheel = builder.obtain(package, files)
        target = context.project.wheelhouse / wheel.name
        with staged_file(target) as staging:
            place_file(wheel, staging)
    return target
