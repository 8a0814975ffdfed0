"""What a source needs: the packages that it depends on, and the environment that it is built in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.errors import WorkError
from bundle.base.files import canonical_json, remove_tree
from bundle.make.sources.backend import BuildSpec, backend_requires, prepare_metadata
from bundle.make.sources.environment import Environment, SourceBuildTools, make_environment
from bundle.make.sources.sdist import static_metadata, static_requires
from bundle.model.config.config import BuildWheel
from bundle.model.locks.lock import BuildRequirement
from bundle.model.platforms import Platform

if TYPE_CHECKING:
    from bundle.artifacts.registries.metadata import MetadataCache
    from bundle.base.report import Reporter


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """A source, whether an sdist or a commit of a repository."""

    name: str
    version: str
    """Empty where only its build can tell."""
    identity: str
    """sha256 of the file, or the commit."""
    unpacked: Callable[[Path], Path]
    """Makes the source folder in an absent folder."""


class SolveBuild(Protocol):
    """Resolves build requirements to wheels."""

    def __call__(
        self, requirements: Sequence[Requirement], *, what: str, platform: Platform, kept: Mapping[str, Version]
    ) -> tuple[BuildRequirement, ...]:
        """Return one wheel for each package of the environment, sorted by name."""


@dataclass(kw_only=True)
class SourceContext:
    """Where, and by what limits, sources are asked what they need.

    It stays empty until a source is asked that cannot be read without being run.
    """

    python: str
    """The bundle's Python version."""
    target: Platform
    machine: Platform | None
    """The platform of this machine, which is where the interpreter runs."""
    interpreter: Callable[[], Path]
    """Gives the bundle's interpreter for this machine; expensive, so called once and only if needed."""
    wheel: Callable[[BuildRequirement], Path]
    """Gives the file of a build requirement."""
    timeout: float
    """Seconds for each step."""
    epoch: int
    logs: Path
    work: Path
    reporter: Reporter
    _made: dict[str, Path] = field(default_factory=dict, repr=False)

    def tools(self, source: SourceTree) -> SourceBuildTools:
        """Return what one source may use."""
        if self.machine is None:
            raise WorkError(
                f"{source.name} has to be run to know what it needs, and this machine is none of the known platforms.",
                remedy="Lock on one of the platforms that `bundle platforms` lists.",
            )
        if "python" not in self._made:
            self._made["python"] = self.interpreter()
        return SourceBuildTools(
            python=self._made["python"],
            machine=self.machine,
            timeout=self.timeout,
            log=self.logs / f"{source.name}-{source.version or source.identity[:12]}-requirements.log",
            reporter=self.reporter,
            work=self.work / "builds" / f"{source.name}-{source.identity[:12]}",
            epoch=self.epoch,
        )

    def folder(self, source: SourceTree) -> Path:
        """Return the unpacked source, unpacked on first use."""
        if source.identity not in self._made:
            place = self.work / "sources" / source.identity[:32]
            remove_tree(place)
            self._made[source.identity] = source.unpacked(place)
        return self._made[source.identity]


class SourceMetadata:
    """Asks sources what they need, running their build backend only where nothing else can tell.

    Args:
        workshop: where they are asked.
        rules: the configuration's `buildWheel` rules, by name.
        solve: resolves build requirements.
        cache: keeps answers.
        kept: build requirements that the last lock has, by name of the package that is built.
    """

    def __init__(
        self,
        workshop: SourceContext,
        *,
        rules: Mapping[str, BuildWheel],
        solve: SolveBuild,
        cache: MetadataCache,
        kept: Mapping[str, Mapping[str, Version]],
    ) -> None:
        self._workshop = workshop
        self._rules = rules
        self._solve = solve
        self._cache = cache
        self._kept = kept

    def metadata(self, source: SourceTree) -> bytes:
        """Return a source's METADATA.

        Raises:
            WorkError: its build backend failed or hung.
        """
        static = static_metadata(self._workshop.folder(source))
        if static is not None:
            return static
        spec = self.spec(source)
        build = self.build(source)
        key = self._key("metadata", source, spec, build)
        return self._cache.get(key, partial(self._prepare, source, spec, build))

    def build(self, source: SourceTree) -> tuple[BuildRequirement, ...]:
        """Return the environment that a source is built in: what it declares, what the configuration adds, and what
        its build backend asks for then.

        Raises:
            MissingPackageError: a build requirement has no wheel.
            WorkError: its build backend failed or hung.
        """  # noqa: D205 - one sentence
        spec = self.spec(source)
        declared = [*static_requires(self._workshop.folder(source)), *spec.build_requires]
        first = self._solved(source, declared, self._workshop.target)
        key = self._key("build requirements", source, spec, first)
        asked = json.loads(self._cache.get(key, partial(self._ask_backend, source, spec, declared, first)))
        if set(asked) <= set(declared):
            return first
        return self._solved(source, [*declared, *asked], self._workshop.target)

    def spec(self, source: SourceTree) -> BuildSpec:
        """Return how a source is built."""
        rule = self._rules.get(source.name)
        return BuildSpec(
            name=source.name,
            version=source.version,
            build_requires=rule.build_requires if rule else (),
            config_settings=rule.config_settings if rule else {},
        )

    def _solved(self, source: SourceTree, texts: Sequence[str], platform: Platform) -> tuple[BuildRequirement, ...]:
        requirements = [Requirement(text) for text in texts]
        what = f"{source.name} {source.version}".strip()
        return self._solve(requirements, what=what, platform=platform, kept=self._kept.get(source.name, {}))

    def _ask_backend(
        self, source: SourceTree, spec: BuildSpec, declared: Sequence[str], build: Sequence[BuildRequirement]
    ) -> bytes:
        environment, tools = self._environment(source, declared, build)
        with self._workshop.reporter.task(f"asking {spec.label} what its build needs"):
            folder = self._workshop.folder(source)
            return canonical_json(list(backend_requires(folder, environment, spec, tools)))

    def _prepare(self, source: SourceTree, spec: BuildSpec, build: Sequence[BuildRequirement]) -> bytes:
        requirements = [f"{one.name}=={one.version}" for one in build]
        environment, tools = self._environment(source, requirements, build)
        with self._workshop.reporter.task(f"asking {spec.label} what it depends on"):
            return prepare_metadata(self._workshop.folder(source), environment, spec, tools)

    def _environment(
        self, source: SourceTree, requirements: Sequence[str], build: Sequence[BuildRequirement]
    ) -> tuple[Environment, SourceBuildTools]:
        machine, target = self._workshop.machine, self._workshop.target
        if machine is not None and machine != target and not all(map(_is_pure, build)):
            # The lock pins what a native build needs there; here, its backend is only asked.
            build = self._solved(source, requirements, machine)
        tools = self._workshop.tools(source)
        return make_environment(tools, [self._workshop.wheel(one) for one in build]), tools

    def _key(self, what: str, source: SourceTree, spec: BuildSpec, build: Sequence[BuildRequirement]) -> str:
        machine = self._workshop.machine
        settings = spec.config_settings
        everything = {
            "what": what,
            "source": source.identity,
            "python": self._workshop.python,
            "machine": machine.key if machine else None,
            "settings": {key: [value] if isinstance(value, str) else list(value) for key, value in settings.items()},
            "build": [one.file.sha256 for one in build],
        }
        return canonical_json(everything).decode()


def _is_pure(requirement: BuildRequirement) -> bool:
    return requirement.file.name.endswith("-none-any.whl")
