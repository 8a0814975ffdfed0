"""Shared services of the authoring commands: project, store, network, this machine's platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.model.config.config import Config
from bundle.model.config.project import Project
from bundle.model.platforms import Platform

if TYPE_CHECKING:
    from bundle.artifacts.registries.fetch import FileSources
    from bundle.artifacts.registries.git import Repositories
    from bundle.base.http.client import Downloader
    from bundle.model.locks.status import LockStatus


@dataclass(frozen=True, kw_only=True)
class Context:
    """The project, the store, the network and this machine, as values."""

    project: Project
    store: Store
    reporter: Reporter
    machine: Platform | None
    """The platform of this machine, None if it is none of ours."""
    environ: Mapping[str, str] = field(repr=False)
    """The environment variables."""
    offline: bool = False
    """Whether the network may not be used."""

    @cached_property
    def downloader(self) -> Downloader:
        """The one way to the network."""
        from bundle.base.http.client import Downloader

        return Downloader(reporter=self.reporter, offline=self.offline, environ=self.environ)

    def file_sources(self, config: Config) -> FileSources:
        """Return the places that the files of a version's packages come from."""
        from bundle.artifacts.registries.fetch import FileSources
        from bundle.artifacts.registries.registries import Registries

        urls = [config.registries.default, config.interpreter.mirror]
        urls += [one.url for one in config.registries.additional if not one.missing]
        self.downloader.credentials.configure(filter(None, urls))
        self.downloader.deadline = config.build.timeout
        registries = Registries(
            config.registries,
            get=self.downloader.get,
            folder=self.store.root,
            environ=self.environ,
            offline=self.offline,
        )
        return FileSources(
            files=self.store.files, registries=registries, downloader=self.downloader, repositories=self.repositories
        )

    @cached_property
    def repositories(self) -> Repositories:
        """Clones of git repositories, kept in the store."""
        from bundle.artifacts.registries.git import Repositories

        folder = self.store.folder("repositories")
        return Repositories(folder, environ=self.environ, reporter=self.reporter, offline=self.offline)

    def lock_status(self, config: Config, platform: Platform) -> LockStatus:
        """Return how the lock of a version, or of one of its sets, stands on a platform."""
        from bundle.model.locks.status import status_of

        path = self.project.lock_path(config.version, platform.key, config.set_name)
        return status_of(path, config, platform)

    def logs(self, bundle: str) -> Path:
        """Return the folder for the logs of build backends when no other output folder was named.

        Args:
            bundle: the bundle's name, such as `3.12.10-linux-x64`.
        """
        return self.project.output / "logs" / bundle
