"""The distributions that some requirements need, out of what is at hand, and what stands in the way."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.artifacts.vendored.offers import Offer, Offers, applies
from bundle.base.errors import WorkError

_MOST_ROUNDS = 50
_MOST_DEMANDS = 200_000


@dataclass(frozen=True)
class Demand:
    """A requirement, with the package that it comes from."""

    requirement: Requirement
    package: str
    by: str = ""
    """The distribution that has the requirement; empty for the package itself."""

    def __str__(self) -> str:
        through = f", through {self.by}" if self.by else ""
        return f"{self.package} wants {self.requirement}{through}"

    @property
    def name(self) -> str:
        """The normalised name of what is required."""
        return canonicalize_name(self.requirement.name)

    def accepts(self, offer: Offer) -> bool:
        """Return whether an offer satisfies it; an address counts as satisfied by any version."""
        return self.requirement.specifier.contains(offer.version, prereleases=True)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is chosen for all demands together."""

    chosen: Mapping[str, Offer]
    """By name, where there is something that satisfies every demand."""
    unmet: Mapping[str, Sequence[Demand]]
    """The demands on each name that no offer satisfies together."""
    demands: Mapping[str, Sequence[Demand]]


def select(wanted: Sequence[Demand], offers: Offers, environment: Mapping[str, str]) -> Selection:
    """Choose the best offer of each name that all demands on it accept, dependencies included.

    A vendored folder holds one version of each distribution as a rule, so that nothing is tried and taken back: the
    choice is repeated with all demands that it brings until it stays the same.

    Args:
        environment: the marker environment of the target, with `python_full_version`.

    Raises:
        IntegrityError: a wheel's metadata cannot be read.
        WorkError: the choice does not come to rest.
    """
    chosen: dict[str, Offer] = {}
    demands: dict[str, list[Demand]] = {}
    for _ in range(_MOST_ROUNDS):
        demands = _demands(wanted, offers, environment, chosen)
        best = {name: _best(some, offers, environment) for name, some in demands.items()}
        settled = {name: offer for name, offer in best.items() if offer is not None}
        stable = all(chosen.get(name) == offer for name, offer in settled.items())
        if stable:
            return Selection(
                chosen={name: settled[name] for name in sorted(settled)},
                unmet={name: demands[name] for name in sorted(demands) if name not in settled},
                demands=demands,
            )
        chosen = {**{name: one for name, one in chosen.items() if name in demands}, **settled}
    flipping = ", ".join(sorted(demands)[:10])
    raise WorkError(
        f"The wheels of the packages contradict each other: no choice among {flipping} comes to rest.",
        remedy="Vendor the packages again, so that they carry the same versions.",
    )


def _demands(
    wanted: Sequence[Demand], offers: Offers, environment: Mapping[str, str], chosen: dict[str, Offer]
) -> dict[str, list[Demand]]:
    """Return all demands that the wanted ones bring with the chosen offers; names without one are chosen on the way."""
    demands: dict[str, list[Demand]] = {}
    extras: dict[str, set[str]] = defaultdict(set)
    todo = deque(one for one in wanted if applies(one.requirement, environment))
    count = 0
    while todo:
        demand = todo.popleft()
        name = demand.name
        count += 1
        if count > _MOST_DEMANDS:
            raise WorkError("The wheels of the packages have more requirements than are read.", remedy="Remove some.")
        new = {str(canonicalize_name(extra)) for extra in demand.requirement.extras} - extras[name]
        if name not in demands:
            new.add("")
        demands.setdefault(name, []).append(demand)
        extras[name] |= new
        offer = chosen.get(name) or _best(demands[name], offers, environment)
        if offer is None or not new:
            continue
        chosen[name] = offer
        todo.extend(Demand(one, demand.package, str(offer)) for one in offer.requires(sorted(new), environment))
    return demands


def _best(demands: Sequence[Demand], offers: Offers, environment: Mapping[str, str]) -> Offer | None:
    python = environment["python_full_version"]
    return next(
        (
            one
            for one in offers.of(demands[0].name)
            if all(demand.accepts(one) for demand in demands) and (one.installed or one.runs_on(python))
        ),
        None,
    )
