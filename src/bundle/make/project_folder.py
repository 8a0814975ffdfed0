"""Changes to the project folder: starting a version, removing the results of builds."""

from __future__ import annotations

import shutil
from pathlib import Path

from bundle.base.errors import ConfigError, Problems
from bundle.base.files import pretty_json
from bundle.base.folders import remove_tree
from bundle.base.staging import staged_folder
from bundle.model.config.json_source import at, plain
from bundle.model.config.project import Project, parse_version
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
    freed = sum(path.lstat().st_size for path in output.rglob("*") if not path.is_dir() or path.is_symlink())
    remove_tree(output)
    return freed


def _initial_config(project: Project) -> dict[str, object]:
    problems = Problems()
    shared = project.shared(problems)
    problems.raise_if_any("The shared configuration has errors; correct them before you start a version from it.")
    dependencies = at(shared, ("packages", "dependencies")) if shared is not None else None
    return {
        "platforms": list(PLATFORMS),
        "packages": {"dependencies": plain(dependencies) if dependencies is not None else []},
    }
