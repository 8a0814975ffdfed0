"""The packages that a source is built with, pinned like any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.errors import ConfigError, MissingPackageError
from bundle.make.resolve.policy import Policy, Target
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.requirements import RequestedRequirement
from bundle.make.resolve.solver import solve
from bundle.make.resolve.solver_index import SolverIndex, Sources
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.locks.lock import BuildRequirement
from bundle.model.platforms import Platform


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
