"""Changes to the project folder: start a version, replace and remove the results of builds, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bundle.artifacts.archives.self_extracting import is_self_extracting, read_script
from bundle.artifacts.documents.names import DOCUMENTS, describes
from bundle.artifacts.store.compression import FORMATS
from bundle.artifacts.store.layers import TOP
from bundle.base.errors import BundleError, ConfigError, IntegrityError, Problems
from bundle.base.extract import read_selected
from bundle.base.files import locked, open_regular, pretty_json
from bundle.base.folders import remove_tree, size_of
from bundle.base.report import Reporter
from bundle.base.staging import is_leftover, staged_folder
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE, read_record
from bundle.model.config.json_source import at, plain
from bundle.model.config.project import Project, parse_version
from bundle.model.manifest import MANIFEST, Manifest, read_manifest
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
    if twin := project.twin(version):
        raise ConfigError(
            f"versions/{version} and versions/{twin} would be one folder on macOS and Windows.",
            remedy="Choose another variant.",
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


@contextmanager
def keeping(tree: Path, place: Path) -> Iterator[None]:
    """Move a tree to a place on the same file system if the block fails, and add the place to the error.

    Args:
        place: what an earlier failure left there is removed.
    """
    try:
        yield
    except BundleError as error:
        remove_tree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        tree.rename(place)
        error.details += (f"(the bundle that failed: {place})",)
        raise


def remove_output(project: Project, *, reporter: Reporter) -> int | None:
    """Remove the results of all builds, those that run awaited, and return the bytes freed; None if there were none.

    Raises:
        ConfigError: the folder is a symlink, or something in it was not made by a build.
    """
    output = _own_output(project)
    if not output.exists():
        return None
    with ExitStack() as stack:
        for lock in sorted((output / STATE).glob("*.lock")):
            stack.enter_context(locked(lock, reporter=reporter, what=lock.stem))
        return _remove_output(output)


def remove_bundles(project: Project, version: str, platforms: Iterable[str], *, reporter: Reporter) -> int | None:
    """Remove what builds made of one version, and return the bytes freed; None if there was nothing.

    Args:
        version: may be gone from the project.
        platforms: their keys.

    Raises:
        ConfigError: the version's name is not valid, pydist/ is a symlink, or no build made a bundle's folder.
    """
    parse_version(version)
    output = _own_output(project)
    freed, found = 0, False
    for platform in platforms:
        name = f"{version}-{platform}"
        state = output / STATE / f"{name}.json"
        files = [output / f"{name}.{end}" for end in (*FORMATS, *DOCUMENTS.values(), "log")]
        folders = (output / version / platform, output / STATE / "failed" / name, output / "logs" / name)
        paths = [path for path in (*folders, *files) if path.exists()]
        if not paths:
            continue
        found = True
        # Before the lock is taken, which would be a mark of our own.
        if (output / version).is_symlink() or not _is_result(output, version, platform):
            raise ConfigError(
                f"{paths[0]} was not made by a build; nothing is removed.",
                remedy="Move it away, or remove it by hand.",
            )
        with locked(state.with_suffix(".lock"), reporter=reporter, what=name):
            # The record last: what an interrupted run leaves is still known as a result.
            for path in (*paths, state):
                if path.exists():
                    freed += size_of(path)
                    remove_tree(path)
    with suppress(OSError):
        (output / version).rmdir()
    return freed if found else None


def _own_output(project: Project) -> Path:
    output = project.output
    if output.is_symlink():
        raise ConfigError(
            f"{output.name}/ is a symlink to {output.readlink()}.",
            remedy="Remove its content by hand; only a folder inside the project is cleaned.",
        )
    return output


def _remove_output(output: Path) -> int:
    if foreign := _foreign_files(output):
        raise ConfigError(
            f"{foreign[0]} was not made by a build; nothing is removed.",
            remedy=f"Move it out of {output.name}/, or remove it by hand.",
            details=map(str, foreign[1:20]),
        )
    freed = size_of(output)
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
        ConfigError: the bundle's folder, an archive, a document or the log exists, and no build made it.
    """
    folder = request.folder
    filled = os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir()))
    if filled and not _is_result(request.output, request.config.version, request.platform.key):
        cause = f"It has no bundle.json of this version and platform, and {STATE} has no record of it."
        raise _in_the_way(request, folder, cause)
    record = read_record(request.output / STATE / f"{request.name}.json")
    known = record.archives if record is not None else {}
    for path in map(request.archive_path, request.archives):
        if os.path.lexists(path) and not (_is_file(path) and (path.name in known or _is_archive_of(request, path))):
            cause = f"It holds no bundle.json of this version and platform, and {STATE} has no record of it."
            raise _in_the_way(request, path, cause)
    for path in map(request.archive_path, DOCUMENTS.values() if request.archives else ()):
        if os.path.lexists(path) and not (_is_file(path) and (path.name in known or describes(path, request.name))):
            raise _in_the_way(request, path, "It does not name this bundle.")
    logs = request.config.build.enable_logging and os.path.lexists(request.log)
    if logs and not (_is_file(request.log) and _first_line(request.log) in ("", request.log_start)):
        raise _in_the_way(request, request.log, f"It does not begin with {request.log_start!r}, as logs do.")


def _in_the_way(request: BuildRequest, path: Path, cause: str) -> ConfigError:
    what = f"{path} is in the way: no build of {request.name} made it."
    return ConfigError(what, cause=cause, remedy="Move it away, or name another folder with --output.")


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _first_line(path: Path) -> str:
    """Return the first line of a file."""
    with open_regular(path) as file:
        return file.readline(2**10).decode(errors="replace").rstrip("\n")


def _is_archive_of(request: BuildRequest, path: Path) -> bool:
    """Return whether an archive holds the manifest of a bundle of the same version and platform."""
    with suppress(ConfigError, IntegrityError, ValueError, RecursionError):
        if is_self_extracting(path):
            return read_script(path).name == request.name
        for _, content in read_selected(path, f"{TOP}/{MANIFEST}".__eq__, most=2**26):
            found = Manifest.from_json(json.loads(content))
            return (found.version, found.platform) == (request.config.version, request.platform.key)
    return False


def _foreign_files(output: Path) -> list[Path]:
    """List what is in an output folder and was not made by builds."""
    names = {path.stem for path in (output / STATE).glob("*.*")}
    for folder in output.glob("*/*/"):
        if _is_result(output, folder.parent.name, folder.name):
            names.add(f"{folder.parent.name}-{folder.name}")
    files = {f"{name}.{end}" for name in names for end in ("log", *FORMATS, *DOCUMENTS.values())}
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
