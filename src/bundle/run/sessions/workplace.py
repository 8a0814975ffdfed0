"""The folder that the sessions of one run have their working folders in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.folders import remove_tree
from bundle.base.processes.lock import attempt

_RUN, _LOCK = "run-", ".lock"


@contextmanager
def workplace(root: Path, *, keep: bool = False, shared: bool = False) -> Iterator[Path]:
    """Make a folder for a run, and remove it at the end; those of runs that were killed are removed at the start.

    Args:
        root: made if it is missing.
        keep: whether it stays.
        shared: whether other users pass through what is made, or it is for its owner alone.

    Raises:
        WorkError: it cannot be made.
    """
    mode = 0o711 if shared else 0o700
    try:
        if not root.is_dir():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(mode)
        for old in root.glob(f"{_RUN}*"):
            _remove_abandoned(old)
        folder = Path(tempfile.mkdtemp(prefix="kept-" if keep else _RUN, dir=root))
        folder.chmod(mode)
        lock = None if keep else attempt(str(folder) + _LOCK)
    except OSError as error:
        raise WorkError(
            f"No folder for sessions can be made in {root}: {error.strerror}.",
            remedy="Name a folder that can be written to with --root, or free space.",
        ) from error
    try:
        yield folder
    finally:
        if not keep:
            with suppress(OSError):
                remove_tree(folder)
        if lock is not None:
            lock.remove()


def _remove_abandoned(path: Path) -> None:
    """Remove what a run that ended without doing so left, unless it is another user's."""
    with suppress(OSError):
        if path.name.endswith(_LOCK) or path.lstat().st_uid != _user():
            return
        lock = attempt(str(path) + _LOCK)
        if lock is None:
            return
        # Another run may have made the folder, and not yet the lock.
        try:
            if _age(path) > 60:
                remove_tree(path)
        finally:
            if path.exists():
                lock.release()
            else:
                lock.remove()


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _age(path: Path) -> float:
    import time

    return time.time() - path.lstat().st_mtime
