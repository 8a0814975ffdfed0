"""Files that appear whole or not at all, and what identifies their bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.placement import keep_apart

if TYPE_CHECKING:
    from bundle.base.report import Reporter

CHUNK = 2**20
"""Bytes read at once: large enough that calls cost nothing, small enough for any cache."""

_EPOCH = 315532800
"""1980-01-01 UTC, the earliest time that a zip file can hold."""

_FOREIGN_AGE = 7 * 24 * 3600.0
"""Seconds after which what another machine left in a shared folder counts as dead."""

_LEFTOVER = re.compile(
    r"\.(?P<name>.*)\.(?P<pid>\d+)-(?P<host>[0-9a-f]{8})(?P<life>[0-9a-f]{8})[0-9a-f]{8}\.(?P<kind>staging|replaced)",
    re.DOTALL,
)

_EXISTS = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hex.

    Args:
        path: an existing file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashed(source: BinaryIO, target: BinaryIO, *, limit: int | None = None) -> tuple[str, int]:
    """Copy a stream and hash it on the way.

    Args:
        source: read to its end.
        target: written to.
        limit: bytes beyond which the source is not what it claims to be.

    Returns:
        The SHA-256 as hex, and the number of bytes.

    Raises:
        IntegrityError: the source holds more than `limit` bytes.
    """
    digest = hashlib.sha256()
    size = 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if limit is not None and size > limit:
            raise IntegrityError(f"The data is longer than the {limit} bytes that it should have.")
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest(), size


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    The file gets mode 0644 whatever the umask, and is on the disk when the call returns. Missing folders are made.

    Args:
        path: the file.
        data: its content; text is written as UTF-8, line ends as they are.
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

    Args:
        target: the file that appears or is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = _leftover_path(target, "staging", shorten=True)
    try:
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
        target: the folder that appears or is replaced.
        large: whether thousands of files are to come, so that their place on the disk matters.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    own = staging = _leftover_path(target, "staging")
    own.mkdir()
    try:
        if large and keep_apart(own):
            staging = own / "tree"
            staging.mkdir()
        yield staging
        _publish(staging, target)
    finally:
        remove_tree(own)


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
        if _exchange(staging, target):
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


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step; False where the system or its file system has no such step."""
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


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, read-only content too; nothing if it is absent.

    Args:
        path: what to remove; a link is removed, not followed.
    """
    for attempt in range(5):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            # Somebody else removes the same tree; it may have parts left.
            if not os.path.lexists(path):
                return
        except PermissionError:
            if attempt:
                raise
            _make_writable(path)
        except OSError as error:
            # Somebody who still writes to it, such as a child of a process that was killed, stops soon.
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


@contextmanager
def locked(path: Path, *, reporter: Reporter, what: str) -> Iterator[None]:
    """Keep other processes and threads out of the block; the system releases the lock when the process dies.

    Args:
        path: the lock file; it is made, and stays.
        reporter: told when the lock is not free after a second.
        what: what is locked, as in "waiting for another process that uses {what}".
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1, poll_interval=0.02)
    except Timeout:
        reporter.info(f"waiting for another process that uses {what} ({path})")
        lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


def sweep_staging(folder: Path) -> None:
    """Remove what killed runs left in a folder, and put back what they had set aside.

    What a living process of this machine is staging stays; what another machine left goes after a week.

    Args:
        folder: where targets are staged, not searched deeper; may be absent.
    """
    try:
        entries = [
            (Path(entry.path), match) for entry in os.scandir(folder) if (match := _LEFTOVER.fullmatch(entry.name))
        ]
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
            # What cannot be removed now, another user's or still being written to, is no reason to stop anybody.
            with suppress(OSError):
                remove_tree(path)


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


def canonical_json(value: object) -> bytes:
    """Return the one form of a JSON value that is hashed: sorted keys, no blanks, UTF-8.

    Args:
        value: what `json` can write; NaN and infinities are refused.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pretty_json(value: object) -> str:
    """Return the form of a JSON value that files hold: sorted keys, two blanks a level, a newline at the end.

    Args:
        value: what `json` can write; NaN and infinities are refused.
    """
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """Return the time that stands in results in place of now.

    Args:
        environ: where `SOURCE_DATE_EPOCH` may stand (https://reproducible-builds.org/specs/source-date-epoch/).

    Returns:
        Seconds since 1970; 1980-01-01 UTC where the variable is not set.

    Raises:
        ConfigError: the variable holds no number of seconds.
    """
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return _EPOCH
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is {text!r}, which is not a number of seconds since 1970.",
            remedy="Set it to a number such as 315532800, or unset it.",
        )
    return int(text)
