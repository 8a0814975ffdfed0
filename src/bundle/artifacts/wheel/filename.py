"""What a wheel's file name promises, and whether its WHEEL file says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import Version

from bundle.base.errors import IntegrityError

_UNIVERSAL = {"universal2": ("x86_64", "arm64"), "intel": ("x86_64",), "fat64": ("x86_64",), "universal": ("x86_64",)}


def parse_filename(filename: str) -> tuple[NormalizedName, Version, tuple[()] | tuple[int, str], frozenset[Tag]]:
    """Return name, version, build number and tags of a wheel's file name.

    Raises:
        IntegrityError: it is no wheel's name.
    """
    try:
        return parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise IntegrityError(f"{filename} is no file name of a wheel", cause=str(error)) from error


def agree(named: Iterable[Tag], stated: Iterable[Tag]) -> bool:
    """Say whether a wheel may be called as it is.

    Renamed wheels are common: `linux` to `manylinux`, one macOS to an older one, `cp39` to `py3`. Another system,
    another machine or another version of CPython is a different thing.
    """
    return any(
        _interpreters_agree(one.interpreter, other.interpreter) and (other.platform == "any" or first & second)
        for one in named
        for first in (_machines(one.platform),)
        for other in stated
        for second in (_machines(other.platform),)
    )


def _interpreters_agree(one: str, other: str) -> bool:
    return one == other or one.startswith("py") or other.startswith("py")


def _machines(platform: str) -> frozenset[str]:
    """Return what a platform tag stands for, without the system's version."""
    if match := re.fullmatch(r"(?:manylinux|musllinux)(?:\d+|_\d+_\d+)_(\w+)", platform):
        return frozenset({f"linux_{match[1]}"})
    if match := re.fullmatch(r"macosx_\d+_\d+_(\w+)", platform):
        return frozenset(f"macosx_{machine}" for machine in _UNIVERSAL.get(match[1], (match[1],)))
    return frozenset({platform})
