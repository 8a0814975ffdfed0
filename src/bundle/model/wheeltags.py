"""Whether a wheel fits: its tags against a platform, a Python and the floors (PEP 425, 427 and 600)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import product
from math import prod

from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import Version

from bundle.base.filenames import LONGEST_NAME
from bundle.model.platforms import Floors, Platform

ANY_SYSTEM = Floors(glibc="2.99", macos="99.0")
"""Floors that no wheel is above."""

_UNIVERSAL = {"universal2": ("x86_64", "arm64"), "intel": ("x86_64",), "fat64": ("x86_64",), "universal": ("x86_64",)}
"""Machines of the macOS tags that stand for several."""


MOST_TAGS = 1000
"""Tags that a wheel may have: `a.b-c-d.e` stands for four, so that a short name may stand for millions."""


def parse_wheel_name(filename: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Return name, version, build number and tags of a wheel's file name, in bounded time.

    Raises:
        InvalidWheelFilename: it is no wheel's name.
    """
    if len(filename) > LONGEST_NAME or product_size(filename) > MOST_TAGS:
        raise InvalidWheelFilename(f"{filename[:80]}... is too long, or stands for too many tags")
    return parse_wheel_filename(filename)


def product_size(tag: str) -> int:
    """Return how many tags a compressed one, or a file name that ends with one, stands for."""
    return prod(part.count(".") + 1 for part in tag.removesuffix(".whl").split("-")[-3:])


def tags_of(filename: str) -> frozenset[Tag]:
    """Return the tags in a wheel's file name; none if it is no wheel's name."""
    try:
        return parse_wheel_name(filename)[3]
    except InvalidWheelFilename:
        return frozenset()


@lru_cache(maxsize=64)
def tag_ranks(platform: Platform, python: str, floors: Floors) -> Mapping[str, int]:
    """Return every tag that fits with its rank, best first."""
    return {str(tag): rank for rank, tag in enumerate(platform.tags(python, floors))}


def best_rank(filename: str, ranks: Mapping[str, int]) -> int | None:
    """Return the rank of a wheel's best tag, None if none fits.

    Args:
        filename: taken apart without checks: registries list many thousands.
        ranks: from `tag_ranks`.
    """
    parts = filename.removesuffix(".whl").lower().split("-")
    if len(parts) not in (5, 6) or len(filename) > LONGEST_NAME or product_size(filename) > MOST_TAGS:
        return None
    tags = map("-".join, product(*(part.split(".") for part in parts[-3:])))
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def lowest_floor(filenames: Iterable[str], platform: Platform, python: str) -> str | None:
    """Return the oldest glibc or macOS for which one of some wheels fits; None if none fits on any.

    Args:
        filenames: of wheels whose tags name the version of the system.
    """
    ranks = tag_ranks(platform, python, ANY_SYSTEM)
    tags = (tag for filename in filenames for tag in tags_of(filename) if str(tag) in ranks)
    found = (re.match(r"(?:manylinux|macosx)_(\d+)_(\d+)_", tag.platform) for tag in tags)
    return min((f"{match[1]}.{match[2]}" for match in found if match), key=Version, default=None)


def fits(tags: Iterable[Tag], platform: Platform, python: str, floors: Floors) -> bool:
    """Return whether a wheel with these tags runs on a platform, down to the floors."""
    ranks = tag_ranks(platform, python, floors)
    return any(str(tag) in ranks for tag in tags)


def is_pure(tags: Iterable[Tag]) -> bool:
    """Return whether a wheel with these tags claims to run on every platform."""
    return any(tag.platform == "any" for tag in tags)


def same_system(tags: Iterable[Tag], platform: Platform) -> bool:
    """Return whether any tag names a platform's system and machine, of any Python and any age."""
    return any(tag.platform == "any" or platform.plain_tag in _machines(tag.platform) for tag in tags)


def oldest_glibc(tags: Iterable[Tag]) -> str | None:
    """Return the oldest glibc that the tags name (PEP 600)."""
    found = (re.match(r"manylinux_(\d+)_(\d+)_", tag.platform) for tag in tags)
    return min((f"{match[1]}.{match[2]}" for match in found if match), key=Version, default=None)


def agree(named: Collection[Tag], stated: Collection[Tag]) -> bool:
    """Return whether the tags of a file name may stand for those in the WHEEL file.

    Renamed wheels are common: `linux` to `manylinux`, one macOS to an older one, `cp39` to `py3`. Another system,
    another machine or another version of CPython is a different thing.
    """
    return any(
        _interpreters_agree(one.interpreter, other.interpreter)
        and (other.platform == "any" or _machines(one.platform) & _machines(other.platform))
        for one in named
        for other in stated
    )


def _interpreters_agree(one: str, other: str) -> bool:
    return one == other or one.startswith("py") or other.startswith("py")


def _machines(platform_tag: str) -> frozenset[str]:
    """Return the systems and machines of a platform tag, without the system's version."""
    if match := re.fullmatch(r"(?:manylinux|musllinux)(?:\d+|_\d+_\d+)_(\w+)", platform_tag):
        return frozenset({f"linux_{match[1]}"})
    if match := re.fullmatch(r"macosx_\d+_\d+_(\w+)", platform_tag):
        return frozenset(f"macosx_{machine}" for machine in _UNIVERSAL.get(match[1], (match[1],)))
    return frozenset({platform_tag})
