"""Scratch folders, the rename that ends them, and the time of the last use."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bundle.base.staging import staged_folder


class _Finished(Exception):  # noqa: N818 - not an error: it tells `staged_folder` to keep nothing
    pass


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder that is removed when the block ends.

    It is named as `staged_folder` names its folders, so that `sweep_staging` finds it when the process was killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with staged_folder(parent / secrets.token_hex(4), large=True) as folder:
            yield folder
            raise _Finished
    except _Finished:
        pass


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
