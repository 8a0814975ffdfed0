"""Messages of the program loader, and folders with another Linux system that has one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.model.platforms import Platform
from bundle.model.system_libraries import LINUX_BASE, LINUX_EXPECTED

_LACKING = re.compile(r"(?P<library>lib[^\s/:]+\.so[.\d]*): cannot open shared object file")
_VERSION = re.compile(r"version `(?P<symbol>(?:GLIBC|GLIBCXX|CXXABI)_(?P<version>[\d.]+))' not found")


def require_loader(folder: Path, platform: Platform, named: str) -> Path:
    """Return a root as an absolute path.

    Args:
        named: the option or variable that names it, such as `--root`.

    Raises:
        ConfigError: it does not have the platform's program loader.
    """
    folder = folder.resolve()
    loader = _loader(platform)
    if not has_loader(folder, platform):
        raise ConfigError(
            f"{named} {folder} has no system for {platform.key}: it has no {loader}.",
            cause="The folder is missing or empty, or belongs to another kind of machine.",
            remedy="Name a folder with at least the C library, such as one that debootstrap has made.",
        )
    return folder


def has_loader(folder: Path, platform: Platform) -> bool:
    """Return whether a folder has the program loader of a platform, or a symlink that is valid only inside the root."""
    return os.path.lexists(folder / _loader(platform))


def _loader(platform: Platform) -> str:
    return platform.loaders[0].removeprefix("/")


def lacking(text: str, place: str) -> str | None:
    """Return the library that a place lacks, by the loader's output, though all such systems have it; else None."""
    for match in _LACKING.finditer(text):
        if match["library"] in LINUX_BASE | LINUX_EXPECTED:
            return f"{match[0]}: {place} lacks it"
    return None


def too_old(text: str) -> tuple[str, str] | None:
    """Return the newest symbol version that a program did not find, as `GLIBC_2.34`, and the loader's message.

    Returns:
        None if it found all. Versions of the C library count before those of the C++ library.
    """
    found = [(match["symbol"], match["version"], match[0]) for match in _VERSION.finditer(text)]
    if not found:
        return None
    glibc = [item for item in found if item[0].startswith("GLIBC_")]
    symbol, _, words = max(glibc or found, key=lambda item: [int(part) for part in item[1].split(".") if part])
    return symbol, words
