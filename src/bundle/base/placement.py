"""A hint to the file system: the folders in here are unrelated trees, each with a place of its own."""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, with a 64-bit long
_TOP_OF_HIERARCHIES = 0x20000  # FS_TOPDIR_FL, the T of chattr(1)


def keep_apart(folder: Path) -> None:
    """Ask for new folders in `folder` to be laid out apart from each other and from what was there before.

    On ext4 a tree that is made where another was just removed costs many times as much: each new file searches past
    the inodes that were freed a moment ago. Elsewhere, and where the hint is refused, nothing happens.

    Args:
        folder: an existing folder in which whole trees come and go.
    """
    if sys.platform != "linux" or struct.calcsize("l") != 8:
        return
    import fcntl

    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            (flags,) = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("l", 0)))
            if not flags & _TOP_OF_HIERARCHIES:
                fcntl.ioctl(handle, _SET_FLAGS, struct.pack("l", flags | _TOP_OF_HIERARCHIES))
        finally:
            os.close(handle)
