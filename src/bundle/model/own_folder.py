"""A folder of the user's own, as a source: which of its files count, and what of them shapes its metadata."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundle.base.errors import ConfigError
from bundle.base.files import read_regular, sha256_of

_MOST_FILES = 50_000

_OTHER_PROJECT_FILES = ("setup.py", "setup.cfg")
_PROJECT_FILES = ("pyproject.toml", *_OTHER_PROJECT_FILES)

_NEVER = frozenset(
    {
        *(".git", ".hg", ".svn", ".bzr", "__pycache__", "__pypackages__", "node_modules", ".DS_Store"),
        *(
            ".venv",
            ".tox",
            ".nox",
            ".eggs",
            ".mypy_cache",
            ".pytest_cache",
            ".ruff_cache",
            ".hypothesis",
            ".bundle-cache",
        ),
    }
)
"""Names of histories, environments and caches, at any depth."""

_RESULTS = frozenset({"build", "dist", "pydist"})
"""Names of folders with results, at the top."""

_BUNDLES = frozenset({"catalogue", "versions"})
"""Names of folders of a project of bundles, at the top beside its `shared-config.json`."""


def own_files(folder: Path) -> list[str]:
    """Return the files and links of a folder that count as its source, relative and sorted.

    Histories, caches, virtual environments, results of builds and locks do not count, nor do the versions of bundles
    where the folder is a project of these as well: else each new lock or catalogue would change the package.

    Raises:
        ConfigError: there is no such folder, it is no Python project, or it has too many files.
    """
    if not any((folder / name).is_file() for name in _PROJECT_FILES):
        raise ConfigError(
            f"{folder} is no Python project: it has none of {', '.join(_PROJECT_FILES)}."
            if folder.is_dir()
            else f"There is no folder {folder}.",
            remedy="Name the folder that has the package's pyproject.toml.",
        )
    found: list[str] = []
    for path in _below(folder, ""):
        found.append(path)
        if len(found) > _MOST_FILES:
            raise ConfigError(
                f"{folder} has more than {_MOST_FILES} files.",
                cause="It holds data or results beside the package.",
                remedy="Move the package into a folder of its own, or build its wheel and name that.",
            )
    return sorted(found)


def _below(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder / prefix) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.name in _NEVER or entry.name.endswith((".pyc", ".egg-info")):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not _is_result(Path(entry.path), top=not prefix):
                    yield from _below(folder, f"{path}/")
            elif (entry.is_symlink() or entry.is_file()) and not (not prefix and _is_lock(entry.name)):
                yield path


def _is_lock(name: str) -> bool:
    """Return whether a file at the top is a lock, which a build without a project writes beside the sources."""
    return name.startswith("pylock.") and name.endswith(".toml")


def _is_result(folder: Path, *, top: bool) -> bool:
    bundles = folder.name in _BUNDLES and (folder.parent / "shared-config.json").is_file()
    by_name = top and (folder.name in _RESULTS or bundles)
    return by_name or (folder / "pyvenv.cfg").exists() or (folder / ".state").is_dir()


def shape(folder: Path) -> str:
    """Return a sha256 over what shapes a project's metadata: all of its files unless its pyproject.toml says enough."""
    told = _told(folder / "pyproject.toml")
    names = own_files(folder) if told is None else [*_OTHER_PROJECT_FILES, *told.files]
    digest = hashlib.sha256(told.tables if told else b"")
    for name in names:
        path = folder / name
        if os.path.lexists(path):
            content = path.readlink() if path.is_symlink() else sha256_of(path)
            digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a pyproject.toml tells of the metadata, where it tells all."""

    tables: bytes
    files: tuple[str, ...] = ()
    """The file that the version stands in."""


def _told(pyproject: Path) -> _Told | None:
    import tomllib

    with suppress(OSError, ValueError, RecursionError, LookupError, AttributeError, TypeError):
        value = tomllib.loads(read_regular(pyproject, most=2**22).decode())
        project = value["project"]
        tables = repr((project, value.get("build-system"))).encode()
        if not project.get("dynamic") and {"name", "version"} <= project.keys():
            return _Told(tables=tables)
        version = value["tool"]["hatch"]["version"]
        if project["dynamic"] == ["version"] and version.keys() == {"path"}:
            # hatchling reads it out of this file with a pattern of its own.
            return _Told(tables=tables, files=(str(PurePosixPath(version["path"])),))
    return None
