"""Folders: list, copy and remove everything below one."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from contextlib import suppress
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


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, read-only content too; links are not followed."""
    for attempt in range(5):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            # Another process removes the same tree; it may have parts left.
            if not os.path.lexists(path):
                return
        except PermissionError:
            if attempt:
                raise
            _make_writable(path)
        except OSError as error:
            # A process that still writes to it, such as a child of one that was killed, stops soon.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            time.sleep(0.05)
        else:
            return
    raise OSError(errno.EBUSY, "another process keeps writing to it", str(path))


def _make_writable(path: Path) -> None:
    with suppress(OSError):  # The second attempt at removing tells what is wrong.
        path.chmod(0o700, follow_symlinks=os.chmod not in os.supports_follow_symlinks)
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            entry = Path(folder, name)
            if entry.is_symlink():
                continue
            with suppress(OSError):
                entry.chmod(entry.stat().st_mode | stat.S_IRWXU)
