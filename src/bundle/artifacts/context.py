"""What the authoring side has at hand: a project, the store, the network, this machine."""

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
    from bundle.artifacts.registries.git import Repositories
    from bundle.artifacts.registries.registries import Registries
    from bundle.base.http.client import Downloader


@dataclass(frozen=True, kw_only=True)
class Context:
    """The world around a build, handed in as values."""

    project: Project
    store: Store
    reporter: Reporter
    machine: Platform | None
    """The platform of this machine, None if it is none of ours."""
    environ: Mapping[str, str] = field(repr=False)
    """The environment variables."""
    offline: bool = False
    """Whether the network may not be used."""
    verify_store: bool = False
    """Whether layers are read in full before they are used, in place of looking at sizes, times and modes."""

    @cached_property
    def downloader(self) -> Downloader:
        """The one way to the network."""
        from bundle.base.http.client import Downloader

        return Downloader(reporter=self.reporter, offline=self.offline, environ=self.environ)

    def registries(self, config: Config) -> Registries:
        """Return the registries of a version."""
        from bundle.artifacts.registries.registries import Registries

        return Registries(
            config.registries,
            get=self.downloader.get,
            folder=self.store.root,
            environ=self.environ,
            offline=self.offline,
        )

    @cached_property
    def repositories(self) -> Repositories:
        """Git's repositories, kept in the store."""
        from bundle.artifacts.registries.git import Repositories

        folder = self.store.folder("repositories")
        return Repositories(folder, environ=self.environ, reporter=self.reporter, offline=self.offline)

    def logs(self, bundle: str) -> Path:
        """Return the folder for what build backends print when no other output folder was named.

        Args:
            bundle: the bundle's name, such as `3.12.10-linux-x64`.
        """
        return self.project.output / "logs" / bundle
