"""The plan of builds on other machines: what each needs of its worker, and the piece of work that it becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bundle.artifacts.context import Context
from bundle.artifacts.work import BUILD, Piece, platform_resource
from bundle.base.errors import ConfigError
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE
from bundle.make.cluster.inputs import pack_inputs
from bundle.make.cluster.remote_build import RemoteBuild
from bundle.make.resolve.locks import required_lock
from bundle.make.sources.host import BuildHost
from bundle.make.sources.planner import plan_builds
from bundle.model.locks.lock import Lock
from bundle.model.platforms import PLATFORMS


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of a command that hold for each of its builds on a worker."""

    offline: bool = False
    verify_store: bool = False
    results_to: str | None = None
    """Address of the remote that results come back through; None: through the scheduler."""


def plan_build(request: BuildRequest, context: Context, served: Collection[str], choices: Choices) -> Piece:
    """Return a build as a piece of work, its locks brought up to date here.

    Args:
        served: the keys of the platforms that workers serve.

    Raises:
        ConfigError: it makes no archive, which is what comes back; or a file of it cannot go to workers.
        BundleError: a lock cannot be made.
    """
    if not request.archives:
        raise ConfigError(
            f"{request.name} makes no archive, which is what comes back from a worker.",
            remedy="Leave out --no-archive, and let build.archives name a format for the platform.",
        )
    locks = _locks(request, context)
    inputs = pack_inputs(request, context)
    options = ["--no-verify"] * (not request.verify) + ["--offline"] * choices.offline
    options += ["--verify-store"] * choices.verify_store
    options += [part for one in request.interpreters for part in ("--interpreter", one)]
    return Piece(
        name=request.name,
        work=RemoteBuild(
            version=request.config.version,
            platform=request.platform.key,
            inputs=inputs,
            sha256=hashlib.sha256(inputs).hexdigest(),
            options=tuple(options),
            results_to=choices.results_to,
        ),
        needs={BUILD: 1, **_machine(request, context, locks, served)},
        target=request.output / STATE / "fetched" / request.name,
    )


def _locks(request: BuildRequest, context: Context) -> list[Lock]:
    found = []
    for member in request.config.members:
        status = context.lock_status(member, request.platform)
        host = BuildHost(
            context=context,
            config=member,
            platform=request.platform,
            logs=request.logs,
            interpreters=request.interpreters,
        )
        with host:
            found.append(required_lock(host, status, locked=request.locked))
    return found


def _machine(request: BuildRequest, context: Context, locks: Sequence[Lock], served: Collection[str]) -> dict[str, int]:
    """Return the resource of the machine that a build needs; empty where any machine will do.

    The platform's own machine takes builds with source packages and those that may copy an interpreter of the machine.
    Where no worker is one, another machine may build sources, unless they are known to have native code.
    """
    own = request.platform.key
    special = any(one.kind == "source" for lock in locks for one in lock.packages)
    if not special and "host" not in request.config.interpreter.sources:
        return {}
    if own in served:
        return {platform_resource(own): 1}
    if not special:
        return {}
    able = [key for key in served if _builds(key, request, context, locks)]
    if len(able) == len(served) > 0:
        return {}
    return {platform_resource(able[0] if able else own): 1}


def _builds(key: str, request: BuildRequest, context: Context, locks: Sequence[Lock]) -> bool:
    """Return whether nothing is known that keeps machines of another platform from building the sources."""
    for member, lock in zip(request.config.members, locks, strict=True):
        own = context.lock_status(member, PLATFORMS[key]).lock if key in member.platforms else None
        if any(one.refusal is not None for one in plan_builds(lock, member, PLATFORMS[key], own)):
            return False
    return True
