"""The bundle under verification, as every check gets it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bundle.base.report import Reporter
from bundle.make.verify.checks.byte_scan import Pattern, Scanned, patterns_for, scan
from bundle.make.verify.checks.contents import Contents
from bundle.model.config.allowlist import AllowList
from bundle.model.platforms import Floors, Platform


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What every check is given."""

    contents: Contents
    allowlist: AllowList
    forbidden: tuple[Path, ...]
    """Folders of the building machine that no file may name."""
    suspicious: tuple[Path, ...]
    """Folders of the building machine that a file had better not name, though others have them, too."""
    skipped: Mapping[str, str]
    """Normalised names of packages that were left out on purpose, each with the reason."""
    relaxed: frozenset[str]
    """Normalised names of packages whose version, or whose lack of dependencies, was decided against their metadata."""
    jobs: int
    """How many processes run at once."""
    reporter: Reporter
    floors: Floors = field(default_factory=Floors)
    """The oldest systems that the bundle is to run on."""
    copied: frozenset[str] = frozenset()
    """Paths of the version's own files (copyFiles), which are in no RECORD."""
    contested: frozenset[str] = frozenset()
    """Paths that two layers hold with different bytes, which the manifest records."""
    source: str = ""
    """The interpreter source that the interpreter came from."""

    @cached_property
    def searched(self) -> tuple[tuple[Pattern, ...], tuple[Path, ...]]:
        """The byte strings that no file may contain, and the folders too common to be searched for."""
        return patterns_for(self.forbidden, self.suspicious, self.platform)

    @cached_property
    def scanned(self) -> Mapping[str, Scanned]:
        """Every regular file, read once for all checks, by its path."""
        sizes = {path: status.st_size for path, status in self.contents.files.items() if stat.S_ISREG(status.st_mode)}
        with self.reporter.task("reading every file", total=len(sizes), unit="files") as task:
            return scan(self.root, sizes, self.searched[0], jobs=self.jobs, done=task.advance)

    @property
    def root(self) -> Path:
        """The bundle's folder."""
        return self.contents.root

    @property
    def platform(self) -> Platform:
        """The platform of the bundle."""
        return self.contents.platform
