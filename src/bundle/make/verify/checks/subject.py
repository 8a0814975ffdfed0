"""The bundle under verification, as every check gets it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name

from bundle.base.files import read_regular
from bundle.base.native.formats import native_format
from bundle.base.native.native import Native
from bundle.base.native.read import read_native
from bundle.base.report import Reporter
from bundle.make.interpreter.compilers import Compiler
from bundle.make.verify.checks.byte_scan import Pattern, Scanned, patterns_for, scan
from bundle.make.verify.checks.comparison import Comparison
from bundle.make.verify.checks.contents import Contents
from bundle.make.verify.checks.policy import Policy
from bundle.model.file_list import FILE_LIST, FileList
from bundle.model.manifest import Manifest
from bundle.model.platforms import Platform
from bundle.model.records import MalformedError


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A bundle, its manifest, and the conditions under which it passes."""

    contents: Contents
    manifest: Manifest
    policy: Policy
    jobs: int
    """How many processes run at once."""
    reporter: Reporter
    compiler: Callable[[], Compiler | None] = lambda: None
    """Returns a CPython of this machine that compiles as the bundle's does, at best of the same version."""
    bundle: Subject | None = None
    """The bundle that this is a copy of, with its carried wheels installed; None for a bundle itself."""

    @cached_property
    def skipped(self) -> Mapping[str, str]:
        """Reason, with its place in the configuration, by normalised name of each package that was left out."""
        reasons = {canonicalize_name(package.name): package.reason for package in self.manifest.skipped}
        origins = self.policy.skip_origins
        return {
            name: f"{reason.rstrip('.')} ({origins[name]})" if name in origins else reason
            for name, reason in reasons.items()
        }

    @cached_property
    def fetched(self) -> frozenset[str]:
        """Normalised names of the packages whose wheels were not built for this bundle."""
        packages = self.manifest.packages
        return frozenset(canonicalize_name(package.name) for package in packages if package.decision == "wheel")

    @cached_property
    def relaxed(self) -> frozenset[str]:
        """Normalised names of the packages with an override, or installed without their dependencies."""
        return frozenset(canonicalize_name(name) for name in (*self.manifest.overrides, *self.manifest.no_deps))

    @cached_property
    def copied(self) -> frozenset[str]:
        """Paths of the version's own files (copyFiles), which are in no RECORD."""
        return frozenset(self.manifest.copied if self.policy.copies else ())

    @cached_property
    def contested(self) -> frozenset[str]:
        """Paths for which two layers hold different bytes, according to the manifest."""
        return frozenset(conflict.path for conflict in self.manifest.conflicts)

    @cached_property
    def searched(self) -> tuple[tuple[Pattern, ...], tuple[Path, ...]]:
        """The byte strings that no file may contain, and the folders too common to be searched for."""
        return patterns_for(self.policy.forbidden, self.policy.suspicious, self.platform)

    @cached_property
    def scanned(self) -> Mapping[str, Scanned]:
        """Every regular file, read once for all checks, by its path."""
        sizes = {path: status.st_size for path, status in self.contents.files.items() if stat.S_ISREG(status.st_mode)}
        with self.reporter.task("reading every file", total=len(sizes), unit="files") as task:
            return scan(self.root, sizes, self.searched[0], jobs=self.jobs, done=task.advance)

    @cached_property
    def natives(self) -> Mapping[str, Native]:
        """Every native file of any machine that can be read, by its path, in order."""
        formats = (path for path, seen in sorted(self.scanned.items()) if native_format(seen.head))
        read = ((path, read_native(self.root / path, self.platform.machine)) for path in formats)
        return {path: native for path, native in read if native is not None}

    @cached_property
    def own_natives(self) -> Mapping[str, Native]:
        """Those that the bundle's machine can load or start."""
        fits = (self.platform.binary_format, self.platform.machine)
        return {path: native for path, native in self.natives.items() if native.fits(*fits)}

    @cached_property
    def file_list(self) -> FileList | str:
        """The list of all files, or the reason why there is none."""
        try:
            return FileList.parse(read_regular(self.root / FILE_LIST))
        except FileNotFoundError:
            return "is missing: it was removed, or the bundle was not built by this program."
        except (OSError, MalformedError) as error:
            return f"is no list of files: {error}."

    @cached_property
    def comparison(self) -> Comparison | None:
        """The bundle beside the list of its files; None without such a list."""
        listed = self.file_list
        if isinstance(listed, str):
            return None
        return Comparison(listed=listed, contents=self.contents, scanned=self.scanned)

    @property
    def told(self) -> frozenset[str]:
        """Paths that differ from what was built, which the check `files` tells."""
        comparison = (self.bundle or self).comparison
        return comparison.paths if comparison else frozenset()

    @property
    def root(self) -> Path:
        """The bundle's folder."""
        return self.contents.root

    @property
    def platform(self) -> Platform:
        """The platform of the bundle."""
        return self.contents.platform
