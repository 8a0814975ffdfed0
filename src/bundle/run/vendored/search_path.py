"""The search path for the modules of packages: one `.pth` in the environment, and names that hide each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.vendored.package import Package
from bundle.base.errors import ConfigError
from bundle.base.filenames import text_obstacle
from bundle.base.files import read_regular
from bundle.run.vendored.target import Target

PATH_FILE = "bundle_packages.pth"
"""Python reads it at each start, and adds each line to the end of `sys.path` if there is such a folder."""

_SCRIPTS = "the scripts folder"
_MOST_BYTES = 2**24
_SUFFIXES = (".py", ".pyc", ".so", ".pyd")


@dataclass(frozen=True, kw_only=True)
class SearchPath:
    """Folders in the order in which Python searches them, behind those of the environment itself."""

    folders: Mapping[str, Path]
    """By the name of their owner: the scripts first, then each package that has modules."""

    def text(self, target: Target) -> str:
        """Return the content of the `.pth`.

        Places beside the environment are relative to it, so that all can be moved together; others are absolute.
        """
        beside = target.root.parent
        up = os.path.relpath(beside, target.site_packages)
        lines = (
            Path(up, folder.relative_to(beside)) if folder.is_relative_to(beside) and beside.name else folder
            for folder in self.folders.values()
        )
        return "".join(f"{line.as_posix()}\n" for line in lines)

    def is_current(self, target: Target) -> bool:
        """Return whether the environment searches these folders already."""
        try:
            content = read_regular(target.site_packages / PATH_FILE, most=_MOST_BYTES)
        except FileNotFoundError:
            return not self.folders
        except OSError:
            return False
        return content == self.text(target).encode()

    def collisions(self, target: Target) -> tuple[str, ...]:
        """Return one line for each module that several places have, of which Python finds only the first."""
        places: list[tuple[str, Mapping[str, bool]]] = [
            ("the standard library", dict.fromkeys(sys.stdlib_module_names, True)),
            ("an installed distribution", dict(_modules(target.site_packages))),
            *((owner, dict(_modules(folder))) for owner, folder in self.folders.items()),
        ]
        first: dict[str, tuple[str, bool]] = {}
        lines = []
        for owner, modules in places:
            for name, regular in sorted(modules.items()):
                other, was_regular = first.setdefault(name, (owner, regular))
                # Folders without __init__.py are parts of one package, wherever they lie (PEP 420).
                if other != owner and owner in self.folders and (regular or was_regular):
                    lines.append(f"{name} of {owner} is hidden by {name} of {other}")
        return tuple(lines)


def search_path(packages: Iterable[Package], scripts: Path | None) -> SearchPath:
    """Return the search path for packages.

    Args:
        scripts: the folder that comes first.

    Raises:
        ConfigError: a `.pth` cannot name one of the folders.
    """
    folders = {} if scripts is None else {_SCRIPTS: scripts}
    folders |= {package.name: package.modules for package in packages if package.modules.is_dir()}
    for folder in folders.values():
        if text_obstacle(folder.as_posix()) or str(folder) != str(folder).rstrip():
            raise ConfigError(
                f"A .pth file cannot name the folder {str(folder)!r}.",
                cause="It holds a line's end or another control character, ends with a blank, or is too long.",
                remedy="Rename it.",
            )
    return SearchPath(folders=folders)


def _modules(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules that a folder has, and whether each is one of its own right and no namespace."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for one in entries:
        name = one.name.partition(".")[0]
        if not name.isidentifier() or name == "__pycache__":
            continue
        if one.is_dir() and "." not in one.name:
            yield name, (one / "__init__.py").is_file()
        elif one.name.endswith(_SUFFIXES):
            yield name, True
