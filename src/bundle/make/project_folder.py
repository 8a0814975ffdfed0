"""What is written to, and removed from, the project's own folder: new versions, and what builds produced."""

from __future__ import annotations

import shutil
from pathlib import Path

from bundle.base.errors import ConfigError, Problems
from bundle.base.files import pretty_json, remove_tree, staged_folder
from bundle.model.config.json_source import at, plain
from bundle.model.config.project import Project, parse_version
from bundle.model.platforms import PLATFORMS


def start_version(project: Project, version: str, *, template: str | None = None) -> Path:
    """Make a version folder to start from; it appears whole or not at all.

    Args:
        project: the project.
        version: its name, `X.Y.Z` or `X.Y.Z-variant`.
        template: an existing version whose folder is copied, without its locks; None: a small config that
            builds for all platforms what the shared configuration depends on, spelled out to be edited.

    Returns:
        the new config file.

    Raises:
        ConfigError: the name is none, the folder exists, or there is no such template.
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
    beginning = pretty_json(_beginning(project)) if source is None else ""
    with staged_folder(folder) as staging:
        if source is None:
            (staging / "config.json").write_text(beginning, encoding="utf-8")
        else:
            locks = shutil.ignore_patterns("pylock.*.toml", "__pycache__")
            shutil.copytree(source, staging, symlinks=True, ignore=locks, dirs_exist_ok=True)
    return folder / "config.json"


def remove_output(project: Project) -> int | None:
    """Remove what builds produced.

    Args:
        project: the project.

    Returns:
        bytes freed, None if there was nothing.
    """
    output = project.output
    if output.is_symlink():
        raise ConfigError(
            f"{output.name}/ is a link to another place, {output.readlink()}.",
            remedy="Remove by hand what is there; only a folder of the project itself is cleaned.",
        )
    if not output.exists():
        return None
    freed = sum(path.lstat().st_size for path in output.rglob("*") if not path.is_dir() or path.is_symlink())
    remove_tree(output)
    return freed


def _beginning(project: Project) -> dict[str, object]:
    problems = Problems()
    shared = project.shared(problems)
    problems.raise_if_any("The shared configuration must be in order before a version can start from it.")
    dependencies = at(shared, ("packages", "dependencies")) if shared is not None else None
    return {
        "platforms": list(PLATFORMS),
        "packages": {"dependencies": plain(dependencies) if dependencies is not None else []},
    }
