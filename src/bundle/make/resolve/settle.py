"""From requirements to one set of versions: the solver asked, and asked again, until it has what it needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from bundle.base.errors import ConfigError
from bundle.make.resolve.policy import Target
from bundle.make.resolve.requirements import RequestedRequirement, Rewriter
from bundle.make.resolve.solver import Solution, UnsolvableError, solve
from bundle.make.resolve.solver_index import NotYetError, SolverIndex

_ROUNDS = 1000
"""Far more than any set of sources needs; ends what would never end."""


def settle(
    roots: Sequence[Requirement],
    candidates: SolverIndex,
    *,
    rewriter: Rewriter,
    target: Target,
    preferences: Mapping[str, Version],
    what: str,
    work: Path,
) -> Solution:
    """Find one version for everything that is needed.

    Args:
        roots: what is asked for.
        candidates: the index.
        rewriter: the rules that the index follows, too.
        target: platform and Python.
        preferences: versions to keep if they fit.
        what: what is resolved, for messages.
        work: scratch folder.

    Returns:
        Versions by name; some may have no usable file.

    Raises:
        ConfigError: there is no such package or version, or the requirements contradict each other.
        NetworkError: a registry did not answer.
    """
    lines = sorted({rewriter.requirement(root) for root in roots})
    for _ in range(_ROUNDS):
        candidates.restart = False
        try:
            solution = solve(
                lines,
                candidates,
                platform=target.platform,
                python=target.python,
                preferences=preferences,
                work=work,
            )
        except NotYetError as error:
            error.prepare()
        except UnsolvableError as error:
            if not candidates.restart and not candidates.widen():
                raise _explained(error, candidates, what) from error
        else:
            if not candidates.restart:
                return solution
    raise ConfigError(f"The resolution of {what} does not come to an end.")


def _explained(error: UnsolvableError, candidates: SolverIndex, what: str) -> ConfigError:
    found = [*_unknown(candidates), *_no_such_version(candidates)]
    if not found:
        return ConfigError(
            f"The requirements of {what} contradict each other.",
            details=str(error).splitlines(),
            remedy="Loosen one of the requirements named above, or decide with packages.overrides.",
        )
    if len(found) == 1:
        return ConfigError(found[0], remedy=_REMEDY, details=str(error).splitlines())
    return ConfigError(
        f"The requirements of {what} name what no registry has.",
        details=[*found, *str(error).splitlines()],
        remedy=_REMEDY,
    )


_REMEDY = "Correct the name or the version in packages.dependencies, or name the registry that has it."


def _unknown(candidates: SolverIndex) -> list[str]:
    lines = []
    for name in sorted(candidates.unknown):
        # A version that was only tried may ask for nonsense; what the configuration wants is no such thing.
        requested_by = candidates.askers(name)
        if requested_by:
            lines.append(f"No registry has a package {name!r}; {_who(requested_by)} asks for it.")
    return lines


def _no_such_version(candidates: SolverIndex) -> list[str]:
    lines = set()
    for requested in list(candidates.requested_by.values()):
        if requested.name in candidates.unknown or (requested.asker and not candidates.is_overridden(requested.name)):
            continue
        specifier = candidates.specifier(requested)
        known = candidates.known(requested.name)
        if known and not any(specifier.contains(version, prereleases=True) for version in known):
            near = ", ".join(map(str, nearest(known, [Version(text) for text in _versions_in(str(specifier))])))
            lines.add(f"{requested.name} has no version that satisfies {specifier}; the nearest are {near}.")
    return sorted(lines)


def nearest(known: Sequence[Version], wanted: Sequence[Version], *, count: int = 4) -> list[Version]:
    """Return the versions around the wanted ones, in order; final releases only, if there are any.

    Args:
        known: what exists.
        wanted: versions that somebody asked for; without any, the newest are the nearest.
        count: how many at most.
    """
    ordered = sorted(version for version in known if not version.is_prerelease) or sorted(known)
    if not wanted:
        return ordered[-count:]
    place = sum(version < wanted[0] for version in ordered)
    start = max(0, min(place - count // 2, len(ordered) - count))
    return ordered[start : start + count]


def _versions_in(specifier: str) -> list[str]:
    versions = (part.lstrip("=<>!~ ").removesuffix(".*") for part in specifier.split(","))
    return [version for version in versions if _is_version(version)]


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True


def _who(requested_by: Sequence[RequestedRequirement]) -> str:
    return " and ".join(dict.fromkeys(requested.who for requested in requested_by[:3]))
