"""The environment that packages are provisioned into: its interpreter, and what is installed in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.artifacts.interpreters.portable.host_discovery import Answer
from bundle.artifacts.vendored.offers import Offer
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.model.platforms import Floors, Platform, platform_of
from bundle.model.wheeltags import ANY_SYSTEM

RECORD = "bundle-provision.json"
"""The file in an environment that says which wheels it was provisioned from."""

_FORMAT = 1
_SETTINGS = "pyvenv.cfg"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A wheel that was installed by an earlier run."""

    sha256: str
    stamp: tuple[int, int]
    """Size and modification time of the file when its hash was checked."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An environment, or the place of one that is not made yet."""

    root: Path
    exists: bool
    interpreter: Path
    """That of the environment; the one to make it from if there is none yet."""
    python: str
    """`X.Y.Z`."""
    platform: Platform
    floors: Floors
    """The system of this machine."""

    @property
    def site_packages(self) -> Path:
        """The folder that distributions are installed into."""
        return self.root / self.platform.site_packages(self.python)

    @property
    def markers(self) -> dict[str, str]:
        """The marker environment."""
        return self.platform.marker_environment(self.python)

    @cached_property
    def installed(self) -> dict[str, Offer]:
        """The distributions that are installed, by name."""
        found = {}
        for folder in sorted(self.site_packages.glob("*.dist-info")) if self.exists else ():
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            try:
                offer = Offer(name=canonicalize_name(name), version=Version(version), path=folder)
            except InvalidVersion:
                continue
            if (folder / "METADATA").is_file():
                found[offer.name] = offer
        return found

    @cached_property
    def record(self) -> dict[str, Installed]:
        """What earlier runs installed, by name; what cannot be read counts as unknown."""
        try:
            document = json.loads(read_regular(self.root / RECORD, most=2**24))
            if document["format"] != _FORMAT:
                return {}
            return {
                str(name): Installed(sha256=str(one["sha256"]), stamp=(int(one["stamp"][0]), int(one["stamp"][1])))
                for name, one in document["wheels"].items()
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return {}


def record_text(wheels: Mapping[str, Installed]) -> str:
    """Return the content of `RECORD`."""
    listed = {name: {"sha256": one.sha256, "stamp": list(one.stamp)} for name, one in sorted(wheels.items())}
    return json.dumps({"format": _FORMAT, "wheels": listed}, indent=1) + "\n"


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what tells cheaply whether a file has changed."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def is_environment(root: Path) -> bool:
    """Return whether there is a virtual environment.

    Raises:
        ConfigError: there is something else.
    """
    if (root / _SETTINGS).is_file():
        return True
    if root.is_dir() and not any(root.iterdir()):
        return False
    if root.exists() or root.is_symlink():
        raise ConfigError(
            f"{root} is not a virtual environment: it has no {_SETTINGS}.",
            remedy="Name another folder with --into; it is made if it does not exist.",
        )
    return False


def target_of(root: Path, answer: Answer, *, exists: bool) -> Target:
    """Return the environment whose interpreter has answered.

    Raises:
        ConfigError: wheels are not vendored for such a Python or machine.
    """
    facts = answer.facts
    platform = platform_of(facts["system"], facts["machine"])
    obstacles = {
        f"it is {facts['implementation']}, not CPython": facts["implementation"] != "cpython",
        "it is a free-threaded build, for which other wheels are needed": facts["free_threaded"],
        f"it is for {facts['system']} {facts['machine']} ({facts['bits']} bits)": platform is None
        or facts["bits"] != 64,
    }
    reasons = [reason for reason, applies in obstacles.items() if applies]
    if reasons or platform is None:
        raise ConfigError(
            f"{answer.candidate.executable} cannot have vendored packages: {'; '.join(reasons)}.",
            remedy="Name another Python with --python, and another folder with --into.",
        )
    glibc = facts["glibc"].removeprefix("glibc ")
    return Target(
        root=root,
        exists=exists,
        interpreter=answer.candidate.executable,
        python=answer.python,
        platform=platform,
        floors=Floors(glibc=glibc, macos=ANY_SYSTEM.macos) if glibc else ANY_SYSTEM,
    )
