"""The plan of a lock's source builds: what each is built with on this machine, and which are refused; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle.base.errors import WorkError
from bundle.base.text import shortened
from bundle.make.sources.failure import native_machine_needed
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.platforms import Platform
from bundle.model.wheeltags import fits, tags_of


@dataclass(frozen=True, kw_only=True)
class SourceBuild:
    """The build of one source package on this machine."""

    package: LockedPackage
    """As the lock has it."""
    adapted: LockedPackage
    """The same with build requirements that can be installed here, if that is possible."""
    refusal: WorkError | None = None
    """Why there is no wheel that fits the target, known without a build."""
    key: Mapping[str, Any] | None = None
    """Everything that shapes the wheel; see `built_key`."""
    isolation: str = ""
    """How the build was, or is to be, kept apart from the machine."""
    network: str = ""
    """Why it may use the network; empty if it may not."""
    wheel: Path | None = None
    """The wheel of an earlier build, or of this one."""
    sha256: str | None = None
    """The wheel's."""


def plan_builds(lock: Lock, config: Config, machine: Platform, own: Lock | None) -> tuple[SourceBuild, ...]:
    """Return one build for each source package of a lock.

    The lock of a foreign platform pins the requirements of a native build there. Where these have native code, the
    lock of this machine's platform has the requirements of the same source here.

    Args:
        machine: the platform of this machine.
        own: the version's lock for it, if the target is foreign and there is one.
    """
    if lock.platform == machine.key:
        return tuple(SourceBuild(package=one, adapted=one) for one in lock.packages if one.kind == "source")

    def misfits(package: LockedPackage) -> list[str]:
        names = (one.file.name for one in package.build)
        return [name for name in names if not fits(tags_of(name), machine, config.python, config.build.floors)]

    builds = []
    for package in lock.packages:
        if package.kind == "source":
            adapted = _adapted(package, own) if misfits(package) else package
            refusal = _refusal(package, misfits(adapted), lock)
            builds.append(SourceBuild(package=package, adapted=adapted, refusal=refusal))
    return tuple(builds)


def _adapted(package: LockedPackage, own: Lock | None) -> LockedPackage:
    same = own.package(package.name) if own is not None else None
    if same is None or same.kind != "source" or same.key != package.key:
        return package
    return replace(package, build=same.build)


def _refusal(package: LockedPackage, misfits: list[str], lock: Lock) -> WorkError | None:
    if package.available and not any(tag.endswith(" any") for tag in package.available):
        cause = f"It has native code: its wheels are for {shortened(package.available)}."
    elif misfits:
        native = [name for name in misfits if not name.endswith("-none-any.whl")]
        cause = f"Its build requirements have native code themselves: {', '.join(native)}"
    else:
        return None
    return native_machine_needed(
        package.name, package.version, version=lock.version, platform_key=lock.platform, cause=cause
    )
