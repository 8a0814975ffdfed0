"""Local wheels: built elsewhere, kept beside the configuration, taken before any registry's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from glob import has_magic
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from bundle.base.errors import ConfigError
from bundle.base.files import sha256_of
from bundle.model.config.config import Config, WheelPlace
from bundle.model.platforms import PLATFORMS
from bundle.model.wheeltags import fits, parse_wheel_name


@dataclass(frozen=True, kw_only=True)
class LocalWheel:
    """A wheel that lies beside the configuration."""

    path: Path
    shown: str
    """The path as messages and locks show it: relative to the project."""
    name: str
    """Normalised."""
    version: Version
    tags: frozenset[Tag]

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.path.name

    @cached_property
    def sha256(self) -> str:
        """The hash of its bytes, read now."""
        return sha256_of(self.path)


def local_wheels(config: Config) -> tuple[LocalWheel, ...]:
    """Return every local wheel of a version, for all platforms.

    Raises:
        ConfigError: a file that is named does not exist, is no wheel by its name, or two differ under one name.
    """
    found: dict[str, LocalWheel] = {}
    for place in config.wheels:
        for path in _files(place, config.folder.parent.parent):
            wheel = _wheel(path, config.folder.parent.parent)
            before = found.setdefault(wheel.filename, wheel)
            if before.path != wheel.path and before.sha256 != wheel.sha256:
                raise ConfigError(
                    f"{before.shown} and {wheel.shown} have the same name and different content.",
                    remedy="Keep one of them.",
                )
    return tuple(found[name] for name in sorted(found))


def wheels_for(config: Config, platform_key: str) -> tuple[LocalWheel, ...]:
    """Return the local wheels whose tags fit one platform of a version, its Python and its floors.

    Raises:
        ConfigError: as `local_wheels` does.
    """
    local = local_wheels(config)
    platform, floors = PLATFORMS[platform_key], config.build.floors
    return tuple(wheel for wheel in local if fits(wheel.tags, platform, config.python, floors))


def best_versions(wheels: Iterable[LocalWheel]) -> dict[str, Version]:
    """Return the newest version of each package among local wheels."""
    newest: dict[str, Version] = {}
    for wheel in wheels:
        newest[wheel.name] = max(wheel.version, newest.get(wheel.name, wheel.version))
    return newest


def _files(place: WheelPlace, root: Path) -> Iterator[Path]:
    literal = place.base / place.pattern
    if literal.is_dir():
        yield from sorted(literal.glob("*.whl"))
        return
    if Path(place.pattern).is_absolute():
        raise ConfigError(
            f"packages.wheels names {place.pattern}, an absolute path, which differs between machines.",
            remedy=f"Name it relative to {place.base}.",
        )
    try:
        found = _matches(place, root)
    except ValueError as error:
        raise ConfigError(
            f"packages.wheels names {place.pattern!r}, which is refused: {error}.",
            remedy="Name a folder of wheels, or a pattern in the project that ends with .whl.",
        ) from error
    if not found and place.named and not has_magic(place.pattern):
        raise ConfigError(
            f"packages.wheels names {place.pattern}, and there is no such file or folder in {place.base}.",
            remedy="Put the wheel there, or remove the entry.",
        )
    yield from found


def _matches(place: WheelPlace, root: Path) -> list[Path]:
    parts = Path(place.pattern).parts
    first = next((number for number, part in enumerate(parts) if has_magic(part)), len(parts))
    start = Path(os.path.normpath(place.base.joinpath(*parts[:first])))
    inside = start.is_relative_to(os.path.normpath(root)) and ".." not in parts[first:]
    if not inside and ("**" in parts or first < len(parts) - 1):
        raise ValueError("it searches folders outside of the project")
    return sorted(place.base.glob(place.pattern))


def _wheel(path: Path, root: Path) -> LocalWheel:
    path = Path(os.path.normpath(path))
    if not path.is_file():
        raise ConfigError(f"packages.wheels names {path}, which is not a file.", remedy="Name wheels only.")
    shown = Path(os.path.relpath(path, root)).as_posix()
    try:
        name, version, _, tags = parse_wheel_name(path.name)
    except InvalidWheelFilename as error:
        raise ConfigError(
            f"{shown} is a local wheel without a wheel's name: {error}",
            remedy="Give it the name that `bundle wheel` gave it, NAME-VERSION-PYTHON-ABI-PLATFORM.whl.",
        ) from error
    return LocalWheel(path=path, shown=shown, name=name, version=version, tags=tags)
