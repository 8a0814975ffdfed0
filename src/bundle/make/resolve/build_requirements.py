"""The packages that a source is built with, pinned like any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.errors import ConfigError, MissingPackageError
from bundle.make.resolve.policy import Policy, Target
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.requirements import RequestedRequirement, Rewriter
from bundle.make.resolve.settle import settle
from bundle.make.resolve.solver_index import SolverIndex
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.locks.lock import BuildRequirement
from bundle.model.platforms import Platform


class BuildRequirementSolver:
    """Resolves build requirements: to wheels only, whatever the configuration says about the bundle's own packages.

    Args:
        shelf: where files and metadata come from.
        config: Python and floors.
        work: scratch folder.
    """

    def __init__(self, shelf: RegistryFiles, config: Config, work: Path) -> None:
        self._shelf = shelf
        self._config = config
        self._work = work

    def __call__(
        self, requirements: Sequence[Requirement], *, what: str, platform: Platform, kept: Mapping[str, Version]
    ) -> tuple[BuildRequirement, ...]:
        """Return one wheel for each package of the environment, sorted by name."""
        target = Target(platform=platform, python=self._config.python, floors=self._config.build.floors)
        rules = PlatformPackages()
        policy, rewriter = Policy(rules, target), Rewriter(rules, target.environment)
        candidates = SolverIndex(
            requirements, shelf=self._shelf, policy=policy, rewriter=rewriter, directs=_NoDirects(what), kept=kept
        )
        solution = settle(
            requirements,
            candidates,
            rewriter=rewriter,
            target=target,
            preferences=kept,
            what=f"the build of {what}",
            work=self._work / "build-solver",
        )
        found: list[BuildRequirement] = []
        gaps: list[str] = []
        for name, version in sorted(solution.versions.items()):
            decision = (candidates.candidates(name) or {})[version].decision
            if decision.file is None:
                gaps.append(f"{name} {version}: {decision.reason}")
            else:
                file = self._shelf.locked(decision.file)
                found.append(BuildRequirement(name=name, version=str(version), file=file))
        if gaps:
            raise MissingPackageError(
                f"Building {what} from source needs packages that have no usable wheel for {platform.key}.",
                details=gaps,
                remedy="Name other build requirements (packages.buildWheel), or skip the package there.",
            )
        return tuple(found)


class _NoDirects:
    """Build requirements come from registries alone."""

    def __init__(self, what: str) -> None:
        self._what = what

    def add(self, requested: RequestedRequirement) -> bool:
        """Refuse."""
        raise ConfigError(
            f"The build of {self._what} asks for {requested.requirement}: "
            "build requirements by address are not supported.",
            remedy="Skip the package, or use a version that has a wheel.",
        )

    def __contains__(self, name: object) -> bool:
        return False

    def version(self, name: str) -> Version:
        """Never called, since nothing is direct."""
        raise KeyError(name)

    def metadata(self, name: str) -> bytes:
        """Never called, since nothing is direct."""
        raise KeyError(name)
