"""Changes to the project folder: start a version, replace and remove the results of builds, and nothing else."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from bundle.artifacts.store.bundle_archive import FORMATS
from bundle.base.errors import ConfigError, Problems
from bundle.base.files import pretty_json
from bundle.base.folders import remove_tree
from bundle.base.staging import is_leftover, staged_folder
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE
from bundle.model.config.json_source import at, plain
from bundle.model.config.project import Project, parse_version
from bundle.model.manifest import read_manifest
from bundle.model.platforms import PLATFORMS


def start_version(project: Project, version: str, *, template: str | None = None) -> Path:
    """Make the folder of a new version, whole or not at all, and return its config file.

    Args:
        version: `X.Y.Z` or `X.Y.Z-variant`.
        template: an existing version whose folder is copied without its locks; None: a small configuration with all
            platforms and the dependencies of the shared configuration, ready to be edited.

    Raises:
        ConfigError: the name is not valid, the folder exists, or the template does not.
    """
    parse_version(version)
    folder = project.folder(version)
    if folder.exists():
        raise ConfigError(
            f"versions/{version} exists already.", remedy="Edit its config.json, or choose another variant."
        )
    if template is not None:
        project.require(template)
    source = None if template is None else project.folder(template)
    initial = pretty_json(_initial_config(project)) if source is None else ""
    with staged_folder(folder) as staging:
        if source is None:
            (staging / "config.json").write_text(initial, encoding="utf-8")
        else:
            locks = shutil.ignore_patterns("pylock.*.toml", "__pycache__")
            shutil.copytree(source, staging, symlinks=True, ignore=locks, dirs_exist_ok=True)
    return folder / "config.json"


def remove_output(project: Project) -> int | None:
    """Remove the results of builds and return the bytes freed, None if there were none."""
    output = project.output
    if output.is_symlink():
        raise ConfigError(
            f"{output.name}/ is a symlink to {output.readlink()}.",
            remedy="Remove its content by hand; only a folder inside the project is cleaned.",
        )
    if not output.exists():
        return None
    if foreign := _foreign_files(output):
        raise ConfigError(
            f"{foreign[0]} was not made by a build; nothing is removed.",
            remedy=f"Move it out of {output.name}/, or remove it by hand.",
            details=map(str, foreign[1:20]),
        )
    freed = sum(path.lstat().st_size for path in output.rglob("*") if not path.is_dir() or path.is_symlink())
    remove_tree(output)
    return freed


def _is_result(output: Path, version: str, platform: str) -> bool:
    """Return whether a build made the bundle of a version and platform in an output folder, with its archives."""
    if any((output / STATE / f"{version}-{platform}.{end}").exists() for end in ("json", "lock")):
        return True
    with suppress(ConfigError):
        found = read_manifest(output / version / platform)
        return (found.version, found.platform) == (version, platform)
    return False


def require_own(request: BuildRequest) -> None:
    """Refuse to replace files of the user by the results of a build.

    Raises:
        ConfigError: the bundle's folder or an archive exists, and no build made it.
    """
    paths = (request.folder, *map(request.archive_path, request.archives))
    found = [path for path in paths if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir()))]
    if found and not _is_result(request.output, request.config.version, request.platform.key):
        raise ConfigError(
            f"{found[0]} is in the way: no build of {request.name} made it.",
            cause=f"{request.folder} has no bundle.json of this version and platform, and {STATE} has no record of it.",
            remedy="Move it away, or name another folder with --output.",
        )


def _foreign_files(output: Path) -> list[Path]:
    """List what is in an output folder and was not made by builds."""
    names = {path.stem for path in (output / STATE).glob("*")}
    for folder in output.glob("*/*/"):
        if _is_result(output, folder.parent.name, folder.name):
            names.add(f"{folder.parent.name}-{folder.name}")
    files = {f"{name}.{end}" for name in names for end in ("log", *FORMATS)}
    foreign: list[Path] = []
    for top in output.iterdir():
        if top.name in (STATE, "logs", "wheelhouse") or is_leftover(top.name):
            continue
        if top.is_dir():
            below = (path for path in top.iterdir() if not is_leftover(path.name))
            foreign += (path for path in below if f"{top.name}-{path.name}" not in names)
        elif top.name not in files:
            foreign.append(top)
    return sorted(foreign)


def _initial_config(project: Project) -> dict[str, object]:
    problems = Problems()
    shared = project.shared(problems)
    problems.raise_if_any("The shared configuration has errors; correct them before you start a version from it.")
    dependencies = at(shared, ("packages", "dependencies")) if shared is not None else None
    return {
        "platforms": list(PLATFORMS),
        "packages": {"dependencies": plain(dependencies) if dependencies is not None else []},
    }
