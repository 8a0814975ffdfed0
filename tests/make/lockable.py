"""A project with one version, and everything that locking and fetching it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bundle.artifacts.context import Context
from bundle.artifacts.fetch_packages import fetch_packages
from bundle.artifacts.store.store import Store
from bundle.make.resolve.resolve import resolve
from bundle.make.sources.host import BuildHost
from bundle.model.config.config import Config
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.platforms import PLATFORMS
from tests.make.registry import Registry
from tests.reporters import Told

LINUX = PLATFORMS["linux-x64"]


@dataclass(kw_only=True)
class _Host(BuildHost):
    """This machine, with an interpreter that a test names."""

    given: Path | None

    @cached_property
    def python(self) -> Path:
        return self.given or super().python


class Lockable:
    """Makes locks of requirements."""

    def __init__(self, root: Path, registry: Registry, *, version: str = "3.12.10") -> None:
        self.root = root
        self.version = version
        self.reporter = Told()
        self.registries: dict[str, Any] = {"default": registry.url}

    def config(self, *dependencies: str, **packages: Any) -> Config:
        """Write the version's configuration, and read it."""
        value = {"registries": self.registries, "packages": {"dependencies": list(dependencies), **packages}}
        if "sets" in packages:
            value["build"] = {"layout": "wheelhouse"}
        folder = self.root / "versions" / self.version
        folder.mkdir(parents=True, exist_ok=True)
        (self.root / "shared-config.json").write_text("{}")
        (folder / "config.json").write_text(json.dumps(value))
        return self.project.load(self.version, {}).config

    @property
    def project(self) -> Project:
        return Project(self.root)

    def context(self, *, offline: bool = False, cache: str = "cache") -> Context:
        return Context(
            project=self.project,
            store=Store(self.root / cache, reporter=self.reporter),
            reporter=self.reporter,
            machine=LINUX,
            environ={},
            offline=offline,
        )

    def lock(
        self,
        *dependencies: str,
        platform: str = "linux-x64",
        previous: Lock | None = None,
        upgrade: bool | frozenset[str] = False,
        offline: bool = False,
        python: Path | None = None,
        **packages: Any,
    ) -> Lock:
        """Resolve requirements; `python` stands for the bundle's interpreter."""
        config = self.config(*dependencies, **packages)
        context = self.context(offline=offline)
        host = _Host(
            context=context,
            config=config,
            platform=PLATFORMS[platform],
            logs=self.root / "logs",
            given=python,
        )
        with host:
            return resolve(host, previous=previous, upgrade=upgrade).lock

    def fetch(self, lock: Lock, config: Config, *, offline: bool = False, cache: str = "cache") -> dict[str, Path]:
        """Fetch a lock's files, and fill the wheelhouse."""
        context = self.context(offline=offline, cache=cache)
        return fetch_packages(context, config, lock, wheelhouse=self.project.wheelhouse)


def pins(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


def found(lock: Lock, name: str) -> LockedPackage:
    package = lock.package(name)
    assert package is not None
    return package
