"""The version's own files (`packages.copyFiles`) as one tree."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundle.base.errors import ConfigError, Problems
from bundle.base.filenames import folded, leaves, path_obstacle, windows_obstacle
from bundle.base.files import canonical_json, sha256_of
from bundle.base.reflink import place_file
from bundle.model.config.config import CopyFile
from bundle.model.file_list import DESCRIPTIONS
from bundle.model.interpreter_places import is_standard
from bundle.model.platforms import Platform

SITE_PACKAGES = ("{site-packages}", "<site-packages>")

# What Python leaves beside sources when they are run in place; it would differ from one checkout to the next.
_IGNORED = "__pycache__"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One file or symlink on its way into the bundle."""

    source: Path
    target: PurePosixPath
    """Relative to the bundle's root."""


def plan_copies(
    rules: Sequence[CopyFile],
    *,
    platform: Platform,
    python: str,
    folders: Collection[str] = (),
    interpreter: Collection[str] = (),
) -> tuple[Copy, ...]:
    """Say which file goes where; a later rule wins.

    A folder's content goes into the target folder. A file goes into the target if that ends with a slash or is a
    folder of the bundle, else it gets the target's name.

    Args:
        folders: the folders that the bundle has without these files, relative to its root.
        interpreter: the interpreter's files, as far as they are known, relative to the same.

    Raises:
        ConfigError: sources that do not exist, paths that leave their root or that the platform cannot have, and files
            of the interpreter without `replace`, all together.
    """
    problems = Problems()
    site_packages = platform.site_packages(python)
    known = {folded(path) for path in interpreter}
    copies: dict[PurePosixPath, Copy] = {}
    for rule in rules:
        with problems.collecting():
            for copy in _expand(rule, site_packages, folders):
                target = str(copy.target)
                if not rule.replace and (is_standard(target, platform, python) or folded(target) in known):
                    raise _replaces(rule, copy)
                copies[copy.target] = copy
    for path in copies:
        if above := next((folder for folder in path.parents if folder in copies), None):
            what = f"copyFiles make {str(above)!r} a file, and a folder that holds {str(path)!r}."
            problems.add(ConfigError(what, remedy="Give one of them another target."))
    if platform.system != "linux":
        _check_spelling(copies, platform, problems)
    problems.raise_if_any("Some copyFiles rules are wrong.")
    return tuple(copies[target] for target in sorted(copies))


def _check_spelling(targets: Iterable[PurePosixPath], platform: Platform, problems: Problems) -> None:
    """Find names that the platform cannot have, and those that are the same to it."""
    spelt: dict[str, str] = {}
    for path in dict.fromkeys(path for target in sorted(targets) for path in (*reversed(target.parents[:-1]), target)):
        obstacle = windows_obstacle(path.name) if platform.is_windows else None
        same = spelt.setdefault(folded(str(path)), str(path))
        if same != str(path):
            obstacle = f"it is the same file as {same!r}"
        if obstacle:
            what = f"copyFiles make {str(path)!r}, which {platform.key} cannot have: {obstacle}."
            problems.add(ConfigError(what, remedy="Rename it, or copy it on other platforms only (platformSpecific)."))


def _replaces(rule: CopyFile, copy: Copy) -> ConfigError:
    return ConfigError(
        f"copyFiles from {rule.source!r} to {rule.target!r}: {str(copy.target)!r} belongs to the interpreter.",
        cause="A file there replaces a part of Python, or is found before all packages.",
        remedy='Copy it to another place, such as {site-packages}; or say `"replace": true` in the entry.',
    )


def fingerprint(copies: Sequence[Copy]) -> str:
    """Return a sha256 over targets, modes and content: everything that shapes the layer."""
    rows = [
        [str(copy.target), str(copy.source.readlink())]
        if copy.source.is_symlink()
        else [str(copy.target), sha256_of(copy.source), bool(copy.source.stat().st_mode & 0o111)]
        for copy in copies
    ]
    return hashlib.sha256(canonical_json(rows)).hexdigest()


def copy_into(copies: Sequence[Copy], tree: Path) -> None:
    """Place the planned files below `tree`, symlinks and executable bits kept."""
    for copy in copies:
        target = tree / copy.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy.source.is_symlink():
            target.symlink_to(copy.source.readlink())
        else:
            place_file(copy.source, target)


def _expand(rule: CopyFile, site_packages: str, folders: Collection[str]) -> list[Copy]:
    where = f"copyFiles from {rule.source!r} to {rule.target!r}"
    source = _source(rule, where)
    target, into = _target(rule, site_packages, where)
    if not source.is_dir():
        inside = into or str(target) in folders
        return [_copy(source, target / source.name if inside else target, where)]
    copies = []
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if name != _IGNORED)
        here = Path(folder)
        inside_folder = target / PurePosixPath(here.relative_to(source).as_posix())
        _check_target(str(inside_folder), where)
        linked_folders = [name for name in names if (here / name).is_symlink()]
        for name in sorted([*files, *linked_folders]):
            path = here / name
            if path.is_symlink():
                _check_link(path, source, where)
            copies.append(_copy(path, inside_folder / name, where))
    return copies


def _copy(source: Path, target: PurePosixPath, where: str) -> Copy:
    if not source.is_symlink() and not source.is_file():
        raise ConfigError(
            f"{where}: {source} is neither a file nor a folder.", remedy="Leave sockets, pipes and devices out."
        )
    _check_target(str(target), where)
    if folded(str(target)) in DESCRIPTIONS:
        raise ConfigError(
            f"{where}: the target is {target}, the bundle's own description.", remedy="Give the file another name."
        )
    return Copy(source=source, target=target)


def _check_target(target: str, where: str) -> None:
    if why := path_obstacle(target) or ("holds a drive" if ":" in target.partition("/")[0] else None):
        raise ConfigError(
            f"{where}: the target {target!r} {why}.",
            cause="It leaves the bundle, or not every system can have such a path.",
            remedy="Name a path relative to the bundle's root, or one that starts with {site-packages}.",
        )


def _source(rule: CopyFile, where: str) -> Path:
    source = rule.base / rule.source
    if not source.exists():
        raise ConfigError(
            f"{where}: {source} does not exist.",
            cause="`from` is relative to the folder of the configuration file that names it.",
            remedy="Create the file, or correct `from`.",
        )
    root = rule.base.resolve()
    if not source.resolve().is_relative_to(root):
        raise ConfigError(
            f"{where}: the source leaves {root}.",
            cause="`from` climbs out by `..`, is absolute, or passes through a symlink that points outside.",
            remedy="Move the files below the folder of the configuration file that names them.",
        )
    return source


def _target(rule: CopyFile, site_packages: str, where: str) -> tuple[PurePosixPath, bool]:
    text = rule.target.replace("\\", "/")
    into = text.endswith("/") or text in {"", ".", *SITE_PACKAGES}
    for placeholder in SITE_PACKAGES:
        if text == placeholder or text.startswith(placeholder + "/"):
            text = site_packages + text[len(placeholder) :]
    _check_target(text, where)
    return PurePosixPath(text), into


def _check_link(link: Path, root: Path, where: str) -> None:
    if leaves(link, root):
        raise ConfigError(
            f"{where}: the symlink {link} points to {link.readlink()}, outside of what is copied, or in a loop.",
            cause="In the bundle the link would dangle, or point to a file of the target machine.",
            remedy="Make it a relative link to a file in the same folder, or copy the file itself.",
        )
