"""The lock beside the wheels of a package: `pylock.PLATFORM.toml` (PEP 751), with paths relative to itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.pylock import (
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.filenames import file_obstacle
from bundle.base.files import read_regular
from bundle.base.staging import write_atomically
from bundle.model.platforms import PLATFORMS, Floors, Platform
from bundle.model.wheeltags import MOST_TAGS, parse_wheel_name, product_size

FORMAT = 1
"""Grows when the meaning of `[tool.bundle]` in these locks changes."""

_MOST_BYTES = 2**24
_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER = "# Made by `bundle vendor`. Do not edit it: change package.json and run that again.\n\n"


@dataclass(frozen=True, order=True, kw_only=True)
class LockedWheel:
    """A wheel that a lock names."""

    name: str
    """Of the distribution, normalised."""
    version: str
    filename: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class VendoredLock:
    """The wheels of one package for one platform and for one or several Pythons."""

    platform: str
    pythons: Mapping[str, tuple[LockedWheel, ...]]
    """The wheels for each Python X.Y, by name."""
    requirements: tuple[str, ...]
    """Those of the package, as they were resolved."""

    @property
    def wheels(self) -> tuple[LockedWheel, ...]:
        """Every wheel once."""
        return tuple(sorted({wheel for wheels in self.pythons.values() for wheel in wheels}))


def lock_name(platform_key: str) -> str:
    """Return the name of a platform's lock."""
    return f"pylock.{platform_key}.toml"


def locks_in(folder: Path) -> tuple[str, ...]:
    """Return the keys of the platforms for which a folder of wheels has a lock."""
    return tuple(key for key in PLATFORMS if (folder / lock_name(key)).exists())


def write_lock(lock: VendoredLock, folder: Path) -> None:
    """Write a lock into the folder of its wheels; the same lock gives the same bytes."""
    import tomli_w

    write_atomically(folder / lock_name(lock.platform), _HEADER + tomli_w.dumps(_document(lock)))


def _document(lock: VendoredLock) -> dict[str, Any]:
    pythons = sorted(lock.pythons, key=Version)
    machine = PLATFORMS[lock.platform].marker_environment("3")
    system = f'sys_platform == "{machine["sys_platform"]}" and platform_machine == "{machine["platform_machine"]}"'
    users: dict[tuple[str, str], list[str]] = {}
    for python in pythons:
        for wheel in lock.pythons[python]:
            users.setdefault((wheel.name, wheel.version), []).append(python)
    packages = []
    for (name, version), some in sorted(users.items()):
        files = [wheel for wheel in lock.wheels if (wheel.name, wheel.version) == (name, version)]
        only = " or ".join(f'python_version == "{python}"' for python in some) if some != pythons else ""
        packages.append(
            {
                "name": name,
                "version": version,
                **({"marker": only} if only else {}),
                "wheels": [
                    {
                        "name": wheel.filename,
                        "path": wheel.filename,
                        "size": wheel.size,
                        "hashes": {"sha256": wheel.sha256},
                    }
                    for wheel in files
                ],
            }
        )
    document = {
        "lock-version": "1.0",
        "environments": [f'{system} and python_version == "{python}"' for python in pythons],
        "requires-python": f">={pythons[0]}",
        "created-by": "bundle",
        "packages": packages,
        "tool": {
            "bundle": {
                "vendored": FORMAT,
                "platform": lock.platform,
                "pythons": pythons,
                "requirements": list(lock.requirements),
            }
        },
    }
    Pylock.from_dict(document)
    return document


@dataclass(frozen=True, kw_only=True)
class LockFile:
    """A lock as it lies in a folder of wheels, made by this tool or by another."""

    path: Path
    pylock: Pylock
    platform: str

    @property
    def own(self) -> bool:
        """Whether this tool made it."""
        return self._about.get("vendored") == FORMAT

    @property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons X.Y that it is for; none if another tool made it."""
        return tuple(one for one in self._listed("pythons") if re.fullmatch(r"3\.[0-9]{1,3}", one))

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements of the package that it was made for."""
        return self._listed("requirements")

    def wheels(self) -> tuple[LockedWheel, ...]:
        """Return all of its wheels.

        Raises:
            IntegrityError: it names one that this tool would not name.
        """
        return tuple(self._wheel(package.name, one) for package in self.pylock.packages for one in package.wheels or ())

    def select(self, platform: Platform, python: str, floors: Floors) -> tuple[LockedWheel, ...]:
        """Return its wheels for one Python on one platform, by name.

        Args:
            python: `X.Y.Z`.

        Raises:
            ConfigError: it is for other Pythons or platforms, or comes from elsewhere than the wheels beside it.
            IntegrityError: it names a wheel that this tool would not name.
        """
        environment: Any = platform.marker_environment(python)
        try:
            chosen = list(self.pylock.select(environment=environment, tags=platform.tags(python, floors)))
        except (PylockSelectError, ValueError, RecursionError) as error:
            raise self._unfit(platform, python, str(error)[:300]) from error
        wheels = []
        for package, file in chosen:
            if not isinstance(file, PackageWheel):
                raise ConfigError(
                    f"{self.path} takes {package.name} from elsewhere than from a wheel beside it.",
                    remedy="Make the wheels and the lock with `bundle vendor`.",
                )
            wheels.append(self._wheel(package.name, file))
        return tuple(sorted(wheels))

    def _unfit(self, platform: Platform, python: str, reason: str) -> ConfigError:
        what = f"{self.path} is not for Python {python} on {platform.key}"
        short = ".".join(python.split(".")[:2])
        pythons = " ".join(f"--python {one}" for one in dict.fromkeys((*self.pythons, short)))
        folder = self.path.parent.parent
        remedy = f"Run `bundle vendor {folder} --platform {platform.key} {pythons}` where there is a network."
        if not self.own:
            return ConfigError(f"{what}: {reason}", remedy=remedy)
        return ConfigError(
            f"{what}.",
            cause=f"It was made for Python {' and '.join(self.pythons)} on {self.platform}.",
            remedy=f"Name a Python that it is for with --python. To use this one: {remedy}"
            if self.platform == platform.key
            else remedy,
        )

    def as_value(self, floors: Floors) -> VendoredLock:
        """Return the wheels for each of its Pythons.

        Raises:
            BundleError: as `select` does.
        """
        platform = PLATFORMS[self.platform]
        return VendoredLock(
            platform=self.platform,
            pythons={one: self.select(platform, f"{one}.0", floors) for one in self.pythons},
            requirements=self.requirements,
        )

    @property
    def _about(self) -> Mapping[str, Any]:
        about = (self.pylock.tool or {}).get("bundle")
        return about if isinstance(about, Mapping) else {}

    def _listed(self, key: str) -> tuple[str, ...]:
        values = self._about.get(key)
        return tuple(map(str, values)) if isinstance(values, list) else ()

    def _wheel(self, name: str, file: PackageWheel) -> LockedWheel:
        filename, sha256 = file.path or "", file.hashes.get("sha256", "")
        try:
            if file_obstacle(filename) or not _HASH.fullmatch(sha256):
                raise InvalidWheelFilename("no plain name of a file, or no sha256")
            found, version, _, _ = parse_wheel_name(filename)
            if found != name or (file.name or filename) != filename:
                raise InvalidWheelFilename(f"it is not of {name}")
        except InvalidWheelFilename as error:
            raise IntegrityError(
                f"{self.path} names the wheel {filename[:120]!r} of {name}: {str(error)[:200]}",
                cause="A lock of vendored wheels names files beside itself, with their sha256.",
                remedy="Find out where it comes from; `bundle vendor` writes a new one when it is removed.",
            ) from error
        return LockedWheel(
            name=canonicalize_name(name), version=str(version), filename=filename, sha256=sha256, size=file.size or 0
        )


def read_lock(folder: Path, platform_key: str) -> LockFile | None:
    """Read a platform's lock in a folder of wheels; None if there is none.

    Raises:
        ConfigError: it is no PEP 751 lock.
    """
    path = folder / lock_name(platform_key)
    try:
        document = tomllib.loads(read_regular(path, most=_MOST_BYTES).decode())
        _check_tags(document)
        pylock = Pylock.from_dict(document)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", remedy="Make it a readable file.") from error
    except (
        PylockValidationError,
        PylockUnsupportedVersionError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ) as error:
        raise ConfigError(
            f"{path} is no lock as PEP 751 describes it: {str(error)[:300]}",
            cause="Usually it has conflict markers of a merge, or is truncated.",
            remedy="Remove it, and run `bundle vendor` again.",
        ) from error
    return LockFile(path=path, pylock=pylock, platform=platform_key)


def _check_tags(document: Mapping[str, Any]) -> None:
    """Raise ValueError if the name of a wheel stands for so many tags that reading it would take long."""
    for package in document["packages"]:
        for wheel in package.get("wheels", ()):
            for text in wheel.values():
                if isinstance(text, str) and product_size(text) > MOST_TAGS:
                    raise ValueError(f"the name {text[:80]}... stands for too many tags")
