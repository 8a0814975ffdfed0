"""Folders: listing and copying everything below one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bundle.base.reflink import place_tree


def listing(root: Path) -> dict[str, os.stat_result]:
    """Return everything below a folder by its path relative to it, with `/`, in no certain order; follows no links."""
    found: dict[str, os.stat_result] = {}
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                path = prefix + entry.name
                found[path] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
    return found


def copy_tree(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Copy a folder; symlinks are copied as they are, and all files get the newest modification time among them.

    Args:
        source: the folder.
        target: a folder that does not exist.
        read_only: whether the copy loses every permission to write.
    """
    mask = 0o555 if read_only else 0o777
    files: list[tuple[Path, Path, int]] = []
    folders: dict[Path, int] = {target: source.stat().st_mode & mask}
    newest = 0.0
    target.mkdir(parents=True)
    for path, status in sorted(listing(source).items()):
        if stat.S_ISDIR(status.st_mode):
            (target / path).mkdir()
            folders[target / path] = status.st_mode & mask
        elif stat.S_ISLNK(status.st_mode):
            (target / path).symlink_to((source / path).readlink())
        else:
            files.append((source / path, target / path, status.st_mode & mask))
            newest = max(newest, status.st_mtime)
    place_tree(files, mtime=int(newest))
    for folder, mode in reversed(folders.items()):
        folder.chmod(mode)
