"""The machine that source builds run on: its platform, its interpreter of the version, the tools of each build."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.artifacts.interpreters.sources import SOURCES
from bundle.base.errors import WorkError
from bundle.make.interpreter.prepare import Interpreter, prepare_interpreter
from bundle.make.sources.backend import BuildSpec
from bundle.make.sources.environment import SourceBuildTools
from bundle.make.sources.isolation import Isolation, isolation_of
from bundle.model.config.config import Config
from bundle.model.config.version_files import version_files
from bundle.model.platforms import PLATFORMS, Platform


@dataclass(kw_only=True)
class BuildHost:
    """The machine that the sources of one bundle are built on; a context manager.

    Sources are built with the bundle's own interpreter, or, for a foreign platform, with this machine's interpreter of
    the same version: a pure wheel serves every platform, and is the same for all of them.
    """

    context: Context
    config: Config
    platform: Platform
    """The bundle's."""
    logs: Path
    """Folder that gets a log file for each build."""
    interpreters: tuple[str, ...] = ()
    """`--interpreter`."""
    keep_failed: bool = False
    """Whether the folder of a failed build is kept, to be looked at."""
    bundled: Interpreter | None = None
    """The bundle's interpreter, if there is one already."""
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.context.store.in_use())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def machine(self) -> Platform:
        """The platform of this machine.

        Raises:
            WorkError: it is none of the known platforms.
        """
        if self.context.machine is None:
            raise WorkError(
                f"Packages of {self.config.version} come as source, and this machine is none of the known platforms.",
                remedy="Work on one of the platforms that `bundle platforms` lists.",
            )
        return self.context.machine

    @property
    def is_target(self) -> bool:
        """Whether the bundle is for this machine."""
        return self.platform == self.machine

    @cached_property
    def interpreter(self) -> Interpreter:
        """The interpreter that runs builds."""
        if self.bundled is not None and self.is_target:
            return self.bundled
        # A path alone is about the bundle's interpreter; that of this machine has to be named by its key.
        named = tuple(
            one for one in self.interpreters if self.is_target or one in SOURCES or one.partition("=")[0] in PLATFORMS
        )
        return prepare_interpreter(self.context, self.config, self.machine, named)

    @cached_property
    def python(self) -> Path:
        """The executable of `interpreter`, unpacked until the block ends."""
        return self._stack.enter_context(self.interpreter.unpacked(self.context))

    @cached_property
    def work(self) -> Path:
        """A scratch folder, removed when the block ends."""
        return self._stack.enter_context(self.context.store.work())

    def spec(self, name: str, version: str) -> BuildSpec:
        """Return how a package is built: its entry in `packages.buildWheel`, if it has one."""
        packages = self.config.packages_for(self.platform.key)
        spec = BuildSpec(name=name, version=version, network=packages.network.get(canonicalize_name(name), ""))
        rule = packages.build_wheel.get(name)
        if rule is None:
            return spec
        return replace(
            spec,
            build_requires=rule.build_requires,
            config_settings=rule.config_settings,
            environment=rule.environment,
            files=version_files(self.config.folder, rule),
        )

    @cached_property
    def isolation(self) -> Isolation:
        """How builds are kept apart from this machine.

        Raises:
            WorkError: `build.isolation` is strict, and this machine has none.
        """
        context = self.context
        hidden = (context.project.root, context.store.root)
        return isolation_of(self.config.build.isolation, self.machine, context.environ, hidden)

    def tools(self, name: str, *, log: str, network: bool) -> SourceBuildTools:
        """Return the tools of one build.

        Args:
            name: of the build's own scratch folder.
            log: stem of its log file.
            network: whether the configuration permits it; `--offline` wins.
        """
        if self.isolation.lacking and not self._told:
            self._told = True
            self.context.reporter.info(f"sources are built without isolation: {self.isolation.lacking}")
        return SourceBuildTools(
            python=self.python,
            machine=self.machine,
            timeout=self.config.build.timeout,
            log=self.logs / f"{log}.log",
            reporter=self.context.reporter,
            work=self.work / "builds" / name,
            epoch=self.context.store.epoch,
            environ=self.context.environ,
            isolation=self.isolation,
            network=network and not self.context.offline,
            kept=self.context.store.folder("failed") / f"{self.logs.name}-{log}" if self.keep_failed else None,
        )
