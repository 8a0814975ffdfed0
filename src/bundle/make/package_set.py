"""The packages of one set of a bundle, from its lock to its wheels; without `packages.sets` a bundle has one set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bundle.artifacts.fetch_packages import fetch_packages
from bundle.artifacts.folder_source import with_folders
from bundle.artifacts.store.layers import Layer
from bundle.base.errors import IntegrityError, Problems
from bundle.make.assemble.layer_pool import LayerPool
from bundle.make.assemble.layers import Layering
from bundle.make.assemble.manifest import describe_set
from bundle.make.assemble.wheelhouse import carried_lock
from bundle.make.exceptions import unused_acceptances
from bundle.make.resolve.locks import required_lock
from bundle.make.sources.builder import SourceBuilder
from bundle.make.sources.host import BuildHost
from bundle.make.sources.planner import SourceBuild
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.locks.status import LockStatus
from bundle.model.manifest import SetRecord, carried_lock_path


@dataclass(kw_only=True)
class PackageSet:
    """The packages of one set; each step of a build adds the values that later steps need."""

    host: BuildHost
    """The machine that builds sources, with the configuration of the set."""
    status: LockStatus
    """The lock before the build."""
    lock: Lock = field(init=False)
    known: dict[str, Layer] = field(init=False, default_factory=dict)
    """Layers that the store already has, by package name."""
    wanted: list[LockedPackage] = field(init=False, default_factory=list)
    """Packages whose files are needed."""
    files: dict[str, Path] = field(init=False, default_factory=dict)
    """Fetched files by `LockedPackage.key` and sha256."""
    wheels: dict[str, Path] = field(init=False, default_factory=dict)
    """Wheels by package name: those that the bundle carries, or whose layer is still to be made."""
    sources: dict[str, SourceBuild] = field(init=False, default_factory=dict)
    """Builds of source packages, by package name."""

    @cached_property
    def builder(self) -> SourceBuilder:
        """Builds sources."""
        return SourceBuilder(self.host)

    @property
    def hashes(self) -> Mapping[str, str]:
        """sha256 of the wheels, or the commit of one that is not built yet, by package name."""
        built = {name: one.sha256 for name, one in self.sources.items() if one.sha256 is not None}
        return {package.name: package.key for package in self.lock.packages} | built

    def find_lock(self, *, locked: bool) -> None:
        """Decide which file of which package the set has.

        Args:
            locked: whether to refuse a missing or stale lock instead of writing it.
        """
        context, config = self.host.context, self.host.config
        lock = required_lock(self.host, self.status, locked=locked)
        self.lock = with_folders(lock, config, context)
        # A lock that was just made has told of them.
        for left_out in lock.skipped if lock is self.status.lock else ():
            if left_out.kind == "missing":
                context.reporter.warning(f"{left_out.name} is left out: {left_out.reason}")
        for warning in unused_acceptances(context.project, config, self.lock):
            context.reporter.warning(warning)

    def find_layers(self, layering: Layering, *, carries: bool) -> None:
        """Find the layers that the store has, and the packages whose files are needed.

        Args:
            carries: whether the bundle carries wheels as files.
        """
        self.sources = {one.package.name: one for one in self.builder.plan(self.lock)}
        for package in self.lock.packages:
            source = self.sources.get(package.name)
            if source is not None and source.refusal is not None:
                continue
            sha256 = package.key if source is None else source.sha256
            layer = layering.find_wheel(sha256, package) if sha256 else None
            if layer is not None:
                self.known[package.name] = layer
            built = source is not None and source.wheel is not None
            if not built and (layer is None or carries):
                self.wanted.append(package if source is None else source.adapted)

    def fetch(self, pool: LayerPool | None) -> None:
        """Download the files of the packages that need them.

        Args:
            pool: begins the layer of each wheel that has arrived.
        """
        if self.wanted:
            lock = replace(self.lock, packages=tuple(self.wanted))
            started = self._unknown(self.wanted) if pool is not None else {}

            def arrived(sha256: str, path: Path) -> None:
                if pool is not None and (package := started.get(sha256)):
                    pool.start(package, path, sha256=sha256)

            self.files = fetch_packages(self.host.context, self.host.config, lock, arrived=arrived)
        for package in self.wanted:
            if package.kind == "wheel":
                self.wheels[package.name] = self.files[package.key]

    def _unknown(self, wanted: Sequence[LockedPackage]) -> dict[str, LockedPackage]:
        """Return the wheels without a layer, by sha256."""
        there = {*self.known, *self.sources}
        return {one.key: one for one in wanted if one.kind == "wheel" and one.name not in there}

    def build_sources(self, problems: Problems) -> None:
        """Build the wheels of source packages, and collect the failures."""
        for name, planned in self.sources.items():
            if planned.wheel is None:
                with problems.collecting():
                    self.sources[name] = self.builder.build(planned, self.files)
        self.wheels |= {name: one.wheel for name, one in self.sources.items() if one.wheel is not None}

    @property
    def record(self) -> SetRecord:
        """The record of the set for the manifest."""
        return describe_set(self.host.config, self.lock, self.sources)

    def layers(self, pool: LayerPool) -> list[Layer]:
        """Return the layers of the packages, unpacked."""
        return pool.layers(self.lock.packages, known=self.known, wheels=self.wheels, hashes=self.hashes)

    def carried(self, layering: Layering) -> list[Layer]:
        """Return the layers of the packages' wheels as files."""
        hashes = self.hashes
        return [
            layering.carried_wheel(self.wheels[package.name], sha256=hashes[package.name], package=package)
            for package in self.lock.packages
        ]

    def carried_lock(self) -> tuple[str, str]:
        """Return the path and the text of the lock beside the wheels that the bundle carries."""
        return carried_lock_path(self.lock.set_name), carried_lock(self.lock, self.wheels)


def united(layers: Iterable[Layer]) -> list[Layer]:
    """Return layers of carried wheels, each once.

    Raises:
        IntegrityError: two have the same file name and different bytes.
    """
    found: dict[str, Layer] = {}
    for layer in layers:
        name = str(layer.about["carried"])
        if found.setdefault(name, layer).digest != layer.digest:
            raise IntegrityError(
                f"Two sets have different wheels named {name}.",
                cause="A registry has replaced the file since one of them was locked, or they were built from source "
                "with different build requirements.",
                remedy=f"Lock the package again in all sets: `bundle lock VERSION --upgrade {layer.name}`.",
            )
    return list(found.values())
