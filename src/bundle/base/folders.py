"""Folders: list, copy and remove everything below one."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from bundle.base.reflink import Placement, place_tree


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


def files_below(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all files and links below a folder, in no certain order, as deep as the system takes paths."""
    folders = [os.fspath(root)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder as far as they can be reached."""
    found = 0
    with suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            return path.lstat().st_size
    for entry in files_below(path):
        with suppress(OSError):
            found += entry.stat(follow_symlinks=False).st_size
    return found


def copy_tree(source: Path, target: Path, *, read_only: bool = False, without: Collection[str] = ()) -> None:
    """Copy a folder; symlinks are copied as they are, and all files get the newest modification time among them.

    Args:
        target: a folder that does not exist.
        read_only: whether the copy loses every permission to write.
        without: names at the top of the folder that are not copied.
    """
    mask = 0o555 if read_only else 0o777
    files: list[Placement] = []
    folders: dict[Path, int] = {target: source.stat().st_mode & mask}
    newest = 0.0
    target.mkdir(parents=True)
    for path, status in sorted(listing(source).items()):
        if path.partition("/")[0] in without:
            continue
        if stat.S_ISDIR(status.st_mode):
            (target / path).mkdir()
            folders[target / path] = status.st_mode & mask
        elif stat.S_ISLNK(status.st_mode):
            (target / path).symlink_to((source / path).readlink())
        else:
            files.append(Placement(f"{source}/{path}", f"{target}/{path}", status.st_mode & mask))
            newest = max(newest, status.st_mtime)
    place_tree(files, mtime=int(newest))
    for folder, mode in reversed(folders.items()):
        folder.chmod(mode)


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, at any depth, read-only too; links are not followed."""
    for attempt in range(5):
        try:
            _remove(path, flat=attempt > 0)
        except FileNotFoundError:
            # Another process removes the same tree; it may have parts left.
            if not os.path.lexists(path):
                return
        except RecursionError:
            pass
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                # A process that still writes to it, such as a child of one that was killed, stops soon.
                time.sleep(0.05)
            elif attempt:
                raise
        else:
            return
    raise OSError(errno.EBUSY, "another process keeps writing to it", str(path))


def _remove(path: Path, *, flat: bool) -> None:
    if path.is_symlink() or not path.is_dir():
        _unlink(path)
    elif flat:
        _remove_flat(path)
    else:
        shutil.rmtree(path)


def _remove_flat(top: Path) -> None:
    """Remove a folder; the folders in it are moved up beside each other, so that no path grows and no call nests."""
    folders = [top]
    for folder in folders:
        folder.chmod(stat.S_IRWXU)
        for entry in tuple(folder.iterdir()):
            if entry.is_symlink() or not entry.is_dir():
                _unlink(entry)
                continue
            with suppress(OSError):
                entry.rmdir()  # Also a junction of Windows, which nothing may go through.
                continue
            entry.chmod(stat.S_IRWXU)
            folders.append(entry.rename(top / secrets.token_hex(8)))
        if folder != top:
            folder.rmdir()
    top.rmdir()


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except PermissionError:
        if path.is_symlink():
            raise
        path.chmod(stat.S_IRWXU)
        path.unlink()
