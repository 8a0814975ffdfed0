"""The bundles that an argument of `bundle verify` names: built versions, a folder, or an archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.artifacts.archives.self_extracting import is_self_extracting, take_archive
from bundle.base.errors import ConfigError
from bundle.base.text import did_you_mean
from bundle.model.config.project import Project
from bundle.model.manifest import MANIFEST
from bundle.model.platforms import PLATFORMS, Platform

_TOP = "python"
"""The top folder of every archive of a bundle."""

_NAME_ONE = "Name a version, the folder that holds bundle.json, or an archive that `bundle build` made."


def bundle_folders(
    target: str, *, project: Project | None, platforms: Sequence[str], machine: Platform | None, scratch: Path
) -> list[Path]:
    """Return the folders of the bundles that an argument names.

    Args:
        target: a version of the project, else a bundle's folder, else an archive.
        platforms: keys, or `all` for every one that is built; if empty, this machine's if that is built, else all.
        scratch: an empty folder; an archive is unpacked into it.

    Raises:
        ConfigError: nothing has that name, or the version is not built for a platform that was asked for.
        IntegrityError: the archive is not safe to unpack.
    """
    path = Path(target)
    if project is not None and len(path.parts) == 1 and target in _versions(project):
        return _built(target, project, platforms, machine)
    if path.is_dir():
        return [path]
    if path.is_file():
        return [_unpacked(path, scratch)]
    known = _versions(project) if project is not None else ()
    raise ConfigError(
        f"{target} is neither a version of this project nor a folder or archive.{did_you_mean(target, known)}",
        remedy="`bundle versions` lists the versions; a bundle's folder is the one that holds bundle.json.",
    )


def _versions(project: Project) -> tuple[str, ...]:
    built = (folder.name for folder in project.output.glob("*/") if folder != project.wheelhouse)
    return tuple(dict.fromkeys((*project.versions(), *built)))


def _built(version: str, project: Project, platforms: Sequence[str], machine: Platform | None) -> list[Path]:
    folder = project.output / version
    built = [key for key in PLATFORMS if (folder / key / MANIFEST).is_file()]
    asked = list(PLATFORMS) if "all" in platforms else list(platforms)
    if not asked:
        asked = [machine.key] if machine is not None and machine.key in built else built
    chosen = [key for key in built if key in asked]
    missing = [] if "all" in platforms else [key for key in asked if key not in built]
    if missing or not chosen:
        what = f"for {', '.join(missing)}" if missing else "yet"
        have = f"It is built for {', '.join(built)}." if built else None
        command = " ".join([f"bundle build {version}", *(f"--platform {key}" for key in missing)])
        raise ConfigError(f"{version} is not built {what}.", cause=have, remedy=f"Build it first: `{command}`.")
    return [folder / key for key in chosen]


def _unpacked(archive: Path, scratch: Path) -> Path:
    from bundle.base.extract import extract, is_archive

    if is_self_extracting(archive):
        archive = take_archive(archive, scratch / f"{archive.name}.tar.gz")
    if not is_archive(archive):
        raise ConfigError(f"{archive} is neither an archive nor a bundle.", remedy=_NAME_ONE)
    extract(archive, scratch)
    top = scratch / _TOP
    if not top.is_dir():
        raise ConfigError(f"{archive} is not the archive of a bundle: it has no top folder {_TOP}/.", remedy=_NAME_ONE)
    return top
