"""Files and folders that appear whole or not at all: made beside their target, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from bundle.base.folders import remove_tree

_FOREIGN_AGE = 7 * 24 * 3600.0
"""Seconds after which a leftover of another machine in a shared folder counts as dead."""

_LEFTOVER = re.compile(
    r"\.(?P<name>.*)\.(?P<pid>\d+)-(?P<host>[0-9a-f]{8})(?P<life>[0-9a-f]{8})[0-9a-f]{8}\.(?P<kind>staging|replaced)",
    re.DOTALL,
)

_EXISTS = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, with a 64-bit long
_TOP_OF_HIERARCHIES = 0x20000  # FS_TOPDIR_FL, the T of chattr(1)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    The file gets mode 0644 whatever the umask, and is on the disk when the call returns. Missing folders are made.

    Args:
        data: text is written as UTF-8, line ends as they are.
    """
    content = data.encode() if isinstance(data, str) else data
    with staged_file(path) as staging, staging.open("wb") as file:
        file.write(content)
        file.flush()
        staging.chmod(0o644)
        os.fsync(file.fileno())


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Give a path beside `target` to write to; it becomes `target` when the block ends well.

    The block makes the file. When it fails, or is interrupted, the file is removed and `target` stays as it was.
    Missing folders are made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = _leftover_path(target, "staging", shorten=True)
    try:
        with naming(target):
            yield staging
        staging.replace(target)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


@contextmanager
def staged_folder(target: Path, *, large: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `target` to fill; it becomes `target` when the block ends well.

    What was at `target` is replaced whole, in one step where the system can exchange two names (Linux, macOS),
    else by renaming it aside and putting it back if the second rename fails; `sweep_staging` puts it back when the
    process was killed between the two. When the block fails the folder is removed and `target` stays as it was.

    Args:
        large: whether thousands of files are to come, so that their place on the disk matters.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    own = staging = _leftover_path(target, "staging")
    own.mkdir()
    try:
        if large and keep_apart(own):
            # ext4 starts from the hash of the name: a constant one leads to where the last tree was removed.
            staging = own / secrets.token_hex(8)
            staging.mkdir()
        with naming(target):
            yield staging
        _publish(staging, target)
    finally:
        remove_tree(own)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the system's errors in the block a file name where they have none: a full disk does not say which."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def final_place(path: Path) -> Path:
    """Return the target of a path that is being staged, or that lies in a staged folder; another path as it is."""
    for place in (*reversed(path.parents), path):
        if match := _LEFTOVER.fullmatch(place.name):
            return place.with_name(match["name"])
    return path


def remove_whole(path: Path) -> None:
    """Remove a file or a folder so that no process finds a part of it; what is left of a killed removal is swept."""
    aside = _leftover_path(path, "staging", shorten=True)
    path.rename(aside)
    remove_tree(aside)


def is_leftover(name: str) -> bool:
    """Return whether a name is one of those that files and folders have while they are staged."""
    return _LEFTOVER.fullmatch(name) is not None


def sweep_staging(folder: Path) -> None:
    """Remove what killed runs left in a folder, and put back what they had set aside.

    What a living process of this machine is staging stays; what another machine left goes after a week.

    Args:
        folder: where targets are staged; folders in it are not searched, and it may be absent.
    """
    try:
        with os.scandir(folder) as found:
            entries = [(Path(entry.path), match) for entry in found if (match := _LEFTOVER.fullmatch(entry.name))]
    except FileNotFoundError:
        return
    for path, match in entries:
        if not _is_dead(path, match):
            continue
        target = folder / match["name"]
        if match["kind"] == "replaced" and not os.path.lexists(target):
            with suppress(FileNotFoundError):  # Another process sweeps, too.
                path.rename(target)
        else:
            # Another user's leftover, or one that a process still writes to, stops no run.
            with suppress(OSError):
                remove_tree(path)


def exchange(first: Path, second: Path) -> bool:
    """Swap the names of two files or folders in one step; False where the system or file system has no such step."""
    import ctypes

    here, swap = -100, 2  # AT_FDCWD; RENAME_EXCHANGE and RENAME_SWAP have the same value
    if sys.platform == "win32":
        return False
    libc = ctypes.CDLL(None)
    if hasattr(libc, "renameat2"):
        failed = libc.renameat2(here, os.fsencode(first), here, os.fsencode(second), swap)
    elif hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(os.fsencode(first), os.fsencode(second), swap)
    else:
        return False
    return not failed


def _publish(staging: Path, target: Path) -> None:
    for _ in range(10):
        try:
            # Never onto what is there: on POSIX this succeeds for an empty folder only, which loses nothing.
            staging.rename(target)
        except OSError as error:
            if error.errno not in _EXISTS and not os.path.lexists(target):
                raise
        else:
            return
        if exchange(staging, target):
            remove_tree(staging)
            return
        aside = _leftover_path(target, "replaced")
        try:
            target.rename(aside)
        except FileNotFoundError:
            continue  # Another process is replacing it at this moment.
        try:
            staging.rename(target)
        except BaseException:
            if not os.path.lexists(target):
                aside.rename(target)
            raise
        remove_tree(aside)
        return
    raise OSError(errno.EBUSY, "another process keeps replacing it", str(target))


def keep_apart(folder: Path) -> bool:
    """Ask for what is made in a folder to be laid out apart from what was there before; False on most file systems.

    On ext4 a tree that is made where another was just removed costs several times as much: each new file searches past
    the inodes that were freed a moment ago. The hint is an attribute that stays with the folder.
    """
    if sys.platform != "linux" or struct.calcsize("l") != 8:
        return False
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("l", 0)))
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("l", flags | _TOP_OF_HIERARCHIES))
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _is_dead(path: Path, match: re.Match[str]) -> bool:
    if match["host"] == host_mark():
        return not _lives(int(match["pid"]), match["life"])
    try:
        # Modification times of staged trees are set at will, change times are not.
        status = path.lstat()
    except FileNotFoundError:
        return False
    return time.time() - max(status.st_ctime, status.st_mtime) > _FOREIGN_AGE


def _leftover_path(target: Path, kind: str, *, shorten: bool = False) -> Path:
    pid = os.getpid()
    name = target.name
    # File systems allow 255 bytes, and wheels come near that.
    while shorten and len(os.fsencode(name)) > 150:
        name = name[:-1]
    return target.with_name(f".{name}.{pid}-{host_mark()}{_process_mark(pid)}{secrets.token_hex(4)}.{kind}")


@cache
def host_mark() -> str:
    """Return eight hex digits that stand for this machine, or for this container on it."""
    try:
        # Two containers of one name may share a volume; each numbers its own processes.
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return _eight_digits(f"{platform.node()} {namespace}")


def _process_mark(pid: int) -> str:
    """Return eight hex digits that tell a living process from earlier and later ones of its number."""
    import psutil

    started = psutil.Process(pid).create_time()
    if sys.platform == "linux":
        # There it is the time since the boot plus the boot's time, which moves when the clock is set.
        started -= psutil.boot_time()
    return _eight_digits(f"{started:.2f}")


def _lives(pid: int, mark: str) -> bool:
    import psutil

    try:
        # In many containers no process waits for orphans: they stay zombies.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and _process_mark(pid) == mark
    except (psutil.NoSuchProcess, OverflowError):
        return False
    except psutil.AccessDenied:
        return True


def _eight_digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
