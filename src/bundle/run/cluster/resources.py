"""The workers of a cluster: what each advertises, and which work none can do; no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bundle
from bundle.artifacts.work import BUILD, SESSION, Piece, platform_resource, session_resource
from bundle.base.errors import ConfigError
from bundle.base.files import canonical_json
from bundle.base.text import shortened
from bundle.model.platforms import Platform
from bundle.model.revisions import revisions

_IDENTITY = "bundle:"
"""Begins the resource that all workers of one version of this program have; all work needs it."""


def identity() -> str:
    """Return the resource that only workers with this version of the program have, and with the same rules."""
    rules = hashlib.sha256(canonical_json(revisions())).hexdigest()[:8]
    return f"{_IDENTITY}{bundle.__version__}-{rules}"


def resources_of(
    machine: Platform | None, slots: int, more: Mapping[str, float], *, sessions: bool = True
) -> dict[str, float]:
    """Return what a worker advertises.

    Args:
        machine: its platform, None if it is none of ours.
        slots: pieces of work at a time.
        more: what the person who starts it adds.
        sessions: whether it has the libraries of sessions.

    Raises:
        ConfigError: one of these has a name that is ours.
    """
    own = {identity(): float(slots), BUILD: 1.0}
    if sessions:
        own[SESSION] = float(slots)
    if machine is not None:
        own[platform_resource(machine.key)] = 1.0
        if sessions:
            own[session_resource(machine.key)] = float(slots)
    for name in more:
        if name in (*own, SESSION) or name.startswith((_IDENTITY, platform_resource(""), session_resource(""))):
            raise ConfigError(f"--resources {name}: the worker sets it itself.", remedy="Choose another name.")
    return {**own, **more}


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """What a worker tells of itself."""

    address: str
    name: str
    resources: Mapping[str, float]

    @property
    def version(self) -> str:
        """The version of this program that it runs; empty for a worker that `bundle worker` did not start."""
        return next((one.removeprefix(_IDENTITY) for one in self.resources if one.startswith(_IDENTITY)), "")

    @property
    def platforms(self) -> tuple[str, ...]:
        """The keys of the platforms that it builds native code for."""
        start = platform_resource("")
        return tuple(sorted(one.removeprefix(start) for one in self.resources if one.startswith(start)))

    def has(self, needs: Mapping[str, float]) -> bool:
        """Return whether it could run work with such needs if it did nothing else."""
        return all(self.resources.get(name, 0.0) >= amount for name, amount in needs.items())

    def __str__(self) -> str:
        shown = [f"{name}={amount:g}" for name, amount in sorted(self.resources.items()) if _IDENTITY not in name]
        return f"{self.name} (bundle {self.version or 'unknown'}): {', '.join(shown) or 'nothing'}"


def workers_of(told: Mapping[str, Mapping[str, Any]]) -> tuple[WorkerInfo, ...]:
    """Return the workers of a scheduler's answer.

    Args:
        told: by their addresses.
    """
    return tuple(
        WorkerInfo(address=address, name=str(one.get("name", address)), resources=dict(one.get("resources") or {}))
        for address, one in sorted(told.items())
    )


def usable(workers: Sequence[WorkerInfo], address: str) -> tuple[WorkerInfo, ...]:
    """Return the workers with this version of the program.

    Raises:
        ConfigError: there is none.
    """
    own = identity()
    found = tuple(one for one in workers if own in one.resources)
    if found:
        return found
    start = f"bundle worker {address}"
    if not workers:
        raise ConfigError(f"The scheduler {address} has no worker.", remedy=f"Start one or more: {start}")
    raise ConfigError(
        f"No worker of {address} runs this version of bundle, {own.removeprefix(_IDENTITY)}.",
        cause="Work goes to workers of the same version alone, because others could give other bytes.",
        remedy=f"Install the same version there, and start its workers: {start}",
        details=[str(one) for one in workers[:20]],
    )


def require_workers(pieces: Iterable[Piece], workers: Sequence[WorkerInfo], address: str) -> None:
    """Refuse work that no worker can do, which would wait for ever.

    Raises:
        ConfigError: there is such work; lists the workers.
    """
    unserved = [piece for piece in pieces if not any(one.has(piece.needs) for one in workers)]
    if not unserved:
        return
    lacking = sorted({name for piece in unserved for name in piece.needs if not _anywhere(name, piece, workers)})
    raise ConfigError(
        f"No worker of {address} can run {shortened([piece.name for piece in unserved])}.",
        cause=f"None offers {', '.join(lacking)}." if lacking else "No single worker has all that they need together.",
        remedy="Start `bundle worker` on a machine that can: it offers its own platform, sessions where the extra "
        "`jobs` is installed, and what --resources names.",
        details=[str(one) for one in workers[:20]],
    )


def _anywhere(name: str, piece: Piece, workers: Sequence[WorkerInfo]) -> bool:
    return any(one.has({name: piece.needs[name]}) for one in workers)
