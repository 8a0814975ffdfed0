"""The request for one build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundle.make.build_state import STATE
from bundle.model.config.config import Config
from bundle.model.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """The request to build one version for one platform."""

    config: Config
    platform: Platform
    output: Path
    """Folder for the bundle and its archives."""
    catalogue: Path
    """File of the catalogue."""
    catalogue_root: Path
    """Folder that paths in the catalogue are relative to."""
    locked: bool = False
    """Whether a missing or stale lock is an error."""
    interpreters: tuple[str, ...] = ()
    """`--interpreter`."""
    archive: bool = True
    verify: bool = True
    keep_failed: bool = False
    """Whether what a failed build leaves is kept, to be looked at."""

    @property
    def name(self) -> str:
        """The bundle's name, such as `3.12.10-atls-linux-x64`."""
        return f"{self.config.version}-{self.platform.key}"

    @property
    def folder(self) -> Path:
        """Final place of the bundle."""
        return self.output / self.config.version / self.platform.key

    @property
    def logs(self) -> Path:
        """Folder for the output of build backends."""
        return self.output / "logs" / self.name

    @property
    def failed(self) -> Path:
        """The folder of a bundle that failed, where it is kept."""
        return self.output / STATE / "failed" / self.name

    @property
    def log(self) -> Path:
        """The log of the build, where `build.enableLogging` asks for one."""
        return self.output / f"{self.name}.log"

    @property
    def log_start(self) -> str:
        """The first line of the log."""
        return f"building {self.name}"

    def archive_path(self, archive_format: str) -> Path:
        """Return the final place of an archive."""
        return self.output / f"{self.name}.{archive_format}"

    @property
    def archives(self) -> tuple[str, ...]:
        """The archive formats asked for."""
        return self.config.build.archives.get(self.platform.key, ()) if self.archive else ()
