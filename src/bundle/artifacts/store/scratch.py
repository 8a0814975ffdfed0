"""Scratch folders, the rename that ends them, and the time of the last use."""

from __future__ import annotations

import errno
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bundle.base.staging import is_leftover, staged_folder

_IN_USE = "in-use"

_COARSE = 2.0
"""Seconds by which file systems may round times."""


class _Finished(Exception):  # noqa: N818 - not an error: it tells `staged_folder` to keep nothing
    pass


@contextmanager
def scratch_folder(parent: Path, *, name: str = "scratch") -> Iterator[Path]:
    """Give an empty folder that is removed when the block ends.

    It is named as `staged_folder` names its folders, so that `sweep_staging` finds it when the process was killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with staged_folder(parent / f"{name}-{secrets.token_hex(4)}", large=True) as folder:
            yield folder
            raise _Finished
    except _Finished:
        pass


@contextmanager
def in_use(parent: Path) -> Iterator[None]:
    """Leave a mark for the block that everything used from now on is in use."""
    with scratch_folder(parent, name=_IN_USE):
        yield


def in_use_since(parent: Path) -> float:
    """Return since when something is in use, in seconds since 1970; infinity where nothing is.

    Args:
        parent: a folder that `sweep_staging` has swept, so that only the marks of living processes are left.
    """
    marks = [path.stat().st_mtime for path in parent.glob(f".{_IN_USE}-*") if is_leftover(path.name)]
    return min(marks, default=math.inf) - _COARSE


def place_new(folder: Path, place: Path) -> bool:
    """Rename a finished folder to its place on the same file system, unless something is there.

    Returns:
        Whether it is there now; False if another process was first, or something damaged is in the way.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(place)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES, errno.ENOTDIR) or not place.exists():
            raise
        return False
    return True


def touch(path: Path) -> None:
    """Set the time of the last use to now; a store that is only readable stays as it is."""
    with suppress(OSError):
        os.utime(path)
