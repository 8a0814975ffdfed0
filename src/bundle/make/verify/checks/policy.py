"""The conditions under which a bundle passes, the same for a build and for `bundle verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bundle.artifacts.interpreters.host import NAME as HOST
from bundle.artifacts.interpreters.portable.host_discovery import candidates
from bundle.make.verify.checks.known_findings import known_findings
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock
from bundle.model.manifest import Manifest
from bundle.model.platforms import Floors, short_version


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a bundle from outside, whatever it says of itself."""

    by: str = ""
    """The file that knows it, such as a catalogue; empty if none does."""
    manifest: str = ""
    """SHA-256 of its `bundle.json`."""
    rebuilt: str = ""
    """The same of a later build that is in no catalogue, because it was not verified or has no archive."""
    archive: str = ""
    """SHA-256 of the archive under test; empty for a folder, and where nothing tells."""
    locks: tuple[Lock, ...] = ()
    """The locks of its version and platform, that of each set included."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The conditions under which a bundle passes."""

    floors: Floors = field(default_factory=Floors)
    """The oldest systems that the bundle must run on."""
    acceptances: tuple[Acceptance, ...] = ()
    harmless: tuple[Acceptance, ...] = field(default_factory=known_findings)
    """Findings that are known to be harmless."""
    forbidden: tuple[Path, ...] = ()
    """Folders of the building machine that no file may name."""
    suspicious: tuple[Path, ...] = ()
    """Folders of the building machine whose names are a warning, because other machines have them, too."""
    known: Known | None = None
    """None where the bundle was made a moment ago."""
    skip_origins: Mapping[str, str] = field(default_factory=dict)
    """File and line of each entry of `packages.skip`, by normalised name, for messages."""
    copies: bool = True
    """Whether the version may have files of its own (copyFiles)."""

    def also_forbidding(self, folder: Path) -> Policy:
        """Return the policy with one more forbidden folder."""
        return replace(self, forbidden=tuple(dict.fromkeys((*self.forbidden, folder))))

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value, equal for conditions under which the same bundles pass."""
        return {
            "floors": {"glibc": self.floors.glibc, "macos": self.floors.macos},
            "acceptances": [acceptance.as_json() for acceptance in self.acceptances],
            "harmless": [entry.as_json() for entry in self.harmless],
            "forbidden": sorted({str(path) for path in self.forbidden}),
            "suspicious": sorted({str(path) for path in self.suspicious}),
            "copies": self.copies,
        }


def policy_for(
    manifest: Manifest,
    config: Config | None,
    *,
    cache: Path,
    project: Path | None,
    environ: Mapping[str, str],
    origins: Sequence[Path] = (),
) -> Policy:
    """Return the conditions for a bundle on this machine.

    Args:
        manifest: the bundle's; its floors and acceptances count if there is no configuration.
        config: the configuration of the bundle's version, if it is known here.
        environ: for the search for interpreters.
        origins: further folders that the bundle's interpreter was copied from.
    """
    folders = [cache, *((project,) if project is not None else ()), Path(sys.prefix), Path(sys.base_prefix), *origins]
    if manifest.python.source == HOST:
        folders += _prefixes(manifest.python.actual, environ)
    return Policy(
        floors=manifest.floors if config is None else config.build.floors,
        acceptances=manifest.accepted if config is None else config.verify.accept,
        harmless=known_findings() if (manifest.known if config is None else config.verify.known) else (),
        forbidden=tuple(dict.fromkeys(folders)),
        suspicious=(Path.home(),),
        skip_origins={} if config is None else config.packages_for(manifest.platform).skip_origins,
        copies=config is None or bool(config.packages_for(manifest.platform).copy_files),
    )


def _prefixes(python: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the prefixes of the interpreters X.Y of this machine, which a bundle's interpreter may be a copy of."""
    library = Path("lib", f"python{short_version(python)}", "os.py")
    for candidate in candidates(python, environ):
        for executable in (candidate.executable, candidate.executable.resolve()):
            if (executable.parent.parent / library).is_file():
                yield executable.parent.parent
