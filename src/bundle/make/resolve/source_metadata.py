"""The metadata of sources: the packages that they depend on, and the environment that they are built in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.artifacts.registries.metadata import MetadataCache
from bundle.base.errors import BundleError, ConfigError, MissingPackageError
from bundle.base.files import canonical_json
from bundle.base.folders import remove_tree
from bundle.make.resolve.policy import Policy, Target
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.requirements import RequestedRequirement
from bundle.make.resolve.solver import solve
from bundle.make.resolve.solver_index import SolverIndex, Sources
from bundle.make.sources.backend import BuildSpec, backend_requires, prepare_metadata
from bundle.make.sources.environment import Environment, SourceBuildTools, make_environment
from bundle.make.sources.host import BuildHost
from bundle.make.sources.sdist import SourceTree, static_metadata, static_requires
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.locks.lock import BuildRequirement, LockedPackage
from bundle.model.platforms import Platform


class SourceMetadata:
    """Asks sources for their metadata; a build backend runs only where the source cannot be read.

    Args:
        previous: the last lock's packages by name, whose build requirements are kept where they fit.
    """

    def __init__(self, host: BuildHost, files: RegistryFiles, previous: Mapping[str, LockedPackage]) -> None:
        self._host = host
        self._files = files
        self._solver = BuildRequirementSolver(files, host.config, host.work)
        self._cache = MetadataCache(host.context.store.folder("metadata"))
        self._previous = previous
        self._folders: dict[str, Path] = {}

    def metadata(self, source: SourceTree) -> bytes:
        """Return a source's METADATA.

        Raises:
            WorkError: its build backend failed or hung.
        """
        static = static_metadata(self._folder(source))
        if static is not None:
            return static
        spec = self._host.spec(source.name, source.version)
        build = self.build(source)
        key = self._key("metadata", source, spec, build)
        return self._cache.get(key, partial(self._prepare, source, spec, build))

    def build(self, source: SourceTree) -> tuple[BuildRequirement, ...]:
        """Return the environment that a source is built in.

        It holds the requirements of the source, of the configuration and of the build backend.

        Raises:
            MissingPackageError: a build requirement has no wheel.
            WorkError: its build backend failed or hung.
        """
        spec = self._host.spec(source.name, source.version)
        declared = [*static_requires(self._folder(source)), *spec.build_requires]
        first = self._solved(source, declared, self._host.platform)
        key = self._key("build requirements", source, spec, first)
        asked = json.loads(self._cache.get(key, partial(self._ask_backend, source, spec, declared, first)))
        if set(asked) <= set(declared):
            return first
        return self._solved(source, [*declared, *asked], self._host.platform)

    def _folder(self, source: SourceTree) -> Path:
        if source.identity not in self._folders:
            place = self._host.work / "sources" / source.identity[:32]
            remove_tree(place)
            self._folders[source.identity] = source.unpacked(place)
        return self._folders[source.identity]

    def _solved(self, source: SourceTree, texts: Sequence[str], platform: Platform) -> tuple[BuildRequirement, ...]:
        last = self._previous.get(source.name)
        kept = {one.name: Version(one.version) for one in last.build} if last is not None else {}
        requirements = [Requirement(text) for text in texts]
        return self._solver.solve(requirements, what=source.label, platform=platform, kept=kept)

    def _ask_backend(
        self, source: SourceTree, spec: BuildSpec, declared: Sequence[str], build: Sequence[BuildRequirement]
    ) -> bytes:
        environment, tools = self._environment(source, declared, build)
        with tools.reporter.task(f"asking {spec.label} what its build needs"):
            return canonical_json(list(backend_requires(self._folder(source), environment, spec, tools)))

    def _prepare(self, source: SourceTree, spec: BuildSpec, build: Sequence[BuildRequirement]) -> bytes:
        requirements = [f"{one.name}=={one.version}" for one in build]
        environment, tools = self._environment(source, requirements, build)
        with tools.reporter.task(f"asking {spec.label} what it depends on"):
            return prepare_metadata(self._folder(source), environment, spec, tools)

    def _environment(
        self, source: SourceTree, requirements: Sequence[str], build: Sequence[BuildRequirement]
    ) -> tuple[Environment, SourceBuildTools]:
        if not self._host.is_target and not all(map(_is_pure, build)):
            # The lock pins the native build requirements of the target; here, the backend is only asked.
            build = self._solved(source, requirements, self._host.machine)
        log = f"{source.name}-{source.version or source.identity[:12]}-requirements"
        try:
            self._host.python  # noqa: B018 - prepared now
        except BundleError as error:
            error.what += f" It is needed to ask {source.label}, which comes as source, what it requires."
            raise
        network = bool(self._host.spec(source.name, source.version).network)
        tools = self._host.tools(f"{source.name}-{source.identity[:12]}", log=log, network=network)
        return make_environment(tools, [self._files.fetched(one.name, one.file) for one in build]), tools

    def _key(self, what: str, source: SourceTree, spec: BuildSpec, build: Sequence[BuildRequirement]) -> str:
        settings = spec.config_settings
        everything = {
            "what": what,
            "source": source.identity,
            "python": self._host.config.python,
            "machine": self._host.machine.key,
            "settings": {key: [value] if isinstance(value, str) else list(value) for key, value in settings.items()},
            "build": [one.file.sha256 for one in build],
            **spec.own_inputs,
        }
        return canonical_json(everything).decode()


def _is_pure(requirement: BuildRequirement) -> bool:
    return requirement.file.name.endswith("-none-any.whl")


class BuildRequirementSolver:
    """Resolves build requirements to wheels; the configuration's rules on the bundle's packages do not count."""

    def __init__(self, files: RegistryFiles, config: Config, work: Path) -> None:
        self._files = files
        self._config = config
        self._work = work

    def solve(
        self, requirements: Sequence[Requirement], *, what: str, platform: Platform, kept: Mapping[str, Version]
    ) -> tuple[BuildRequirement, ...]:
        """Return one wheel for each package of the environment, sorted by name.

        Args:
            what: the source, for messages.
            kept: versions to keep if they fit.

        Raises:
            ConfigError: the requirements contradict each other, or name an address.
            MissingPackageError: a package has no wheel.
        """
        target = Target(platform=platform, python=self._config.python, floors=self._config.build.floors)
        policy = Policy(PlatformPackages(), target)
        index = SolverIndex(requirements, policy, files=self._files, sources=_WheelsOnly(what), kept=kept)
        solution = solve(index, preferences=kept, what=f"the build of {what}", work=self._work / "build-solver")
        found: list[BuildRequirement] = []
        gaps: list[str] = []
        for name, version in sorted(solution.versions.items()):
            decision = (index.candidates(name) or {})[version].decision
            if decision.file is None:
                gaps.append(f"{name} {version}: {decision.reason}")
            else:
                file = self._files.locked(decision.file)
                found.append(BuildRequirement(name=name, version=str(version), file=file))
        if gaps:
            raise MissingPackageError(
                f"Building {what} from source needs packages that have no usable wheel for {platform.key}.",
                details=gaps,
                remedy="Name other build requirements (packages.buildWheel), or skip the package there.",
            )
        return tuple(found)


class _WheelsOnly(Sources):
    """The sources of a build environment: none, since its policy allows none and an address is refused."""

    def __init__(self, what: str) -> None:
        self._what = what

    def add(self, requested: RequestedRequirement) -> None:
        """Refuse."""
        raise ConfigError(
            f"The build of {self._what} requires {requested.requirement}: build requirements by URL are not supported.",
            remedy="Skip the package, or use a version that has a wheel.",
        )
