"""The cached environments that there are: what they stand for, whether they are usable, and their removal."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.errors import ConfigError, WorkError
from bundle.base.files import locks_required, read_regular, sha256_of
from bundle.base.folders import remove_tree, size_of
from bundle.base.processes import lock as locks
from bundle.run.environments import start
from bundle.run.environments.environments import is_ready
from bundle.run.environments.making import FOLDER, IDENTITY, Place

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_NAME = re.compile(r"[0-9a-f]{32}")

LOCKS = "locks"
"""The folder of locks that are kept for jobs, by their content."""

_DAY = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A cached environment, ready or not."""

    folder: Path
    identity: dict[str, Any]
    """Empty where it was not written yet."""
    state: str
    """`ready`, `half-made`, or why no command finds it any more."""
    bytes: int
    used: float
    """Seconds since 1970."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name


def kept(root: Path) -> Iterator[Kept]:
    """Yield all cached environments, those used last first."""
    folders = [path for path in root.glob("*") if _NAME.fullmatch(path.name) and path.is_dir()]
    found = [
        Kept(
            folder=folder,
            identity=(identity := _identity(folder)),
            state=_state(folder, identity),
            bytes=size_of(folder),
            used=_used(folder),
        )
        for folder in folders
    ]
    yield from sorted(found, key=lambda one: one.used, reverse=True)


def named(root: Path, name: str) -> Path:
    """Return the folder of an environment by the beginning of its name.

    Raises:
        ConfigError: there is none, or several.
    """
    found = [path for path in root.glob("*") if _NAME.fullmatch(path.name) and path.name.startswith(name)]
    if len(found) != 1 or not name:
        raise ConfigError(
            f"There is no environment {name!r}." if not found else f"{name!r} is the beginning of several names.",
            remedy="`bundle env list` shows them.",
            details=[path.name for path in found],
        )
    return found[0]


def remove(folder: Path) -> int:
    """Remove an environment; return its bytes.

    Raises:
        WorkError: a program runs in it, or it is being made.
        ConfigError: the file system has no locks.
    """
    with locks_required(folder.parent):
        lock = locks.attempt(f"{folder}.lock")
    if lock is None:
        raise WorkError(
            f"The environment {folder.name} is in use: {locks.holder(f'{folder}.lock')}.",
            cause="A program runs in it, or it is being made.",
            remedy="Try again when that process has ended.",
        )
    size = size_of(folder)
    # Without its marker it is half-made, wherever the removal is interrupted.
    (folder / start.MARKER).unlink(missing_ok=True)
    remove_tree(folder)
    lock.remove()
    return size


def prune(root: Path, *, days: float, reporter: Reporter) -> dict[str, int]:
    """Remove what was not used for some days, and what is half-made and not being made; return bytes by name."""
    oldest = time.time() - days * _DAY
    freed = {}
    for one in kept(root):
        if one.state == "half-made" or one.used < oldest:
            try:
                freed[one.name] = remove(one.folder)
            except WorkError as error:
                reporter.info(f"{one.name} stays: {error.what}")
    for path in (root / "starts").glob("*"):
        record = start.read_record(str(path))
        if record is None or not (root / record.subject[-1]).is_dir():
            path.unlink(missing_ok=True)
    _prune_places(root, oldest)
    for path in root.glob("*.lock"):
        if _NAME.fullmatch(path.stem) and not path.with_suffix("").exists():
            with suppress(OSError):
                if lock := locks.attempt(str(path)):
                    lock.remove()
    return freed


def _prune_places(root: Path, oldest: float) -> None:
    """Remove what was kept of interpreters, unless an environment is being made there, and the locks of jobs."""
    for path in (*(root / FOLDER).glob("*"), *(root / LOCKS).glob("*")):
        with suppress(OSError):
            if path.stat().st_mtime >= oldest:
                continue
            if path.parent.name == LOCKS or not path.is_dir():
                remove_tree(path)
            elif lock := Place(str(path)).take():
                remove_tree(path)
                lock.release()


def _identity(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(folder / IDENTITY, most=2**20))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(folder: Path, identity: dict[str, Any]) -> str:
    if not (folder / start.MARKER).is_file():
        return "half-made"
    if not is_ready(folder):
        return "its Python is gone"
    named = {str(identity.get("pylock")): identity.get("content")}
    for one in identity.get("extras", ()) if isinstance(identity.get("extras"), list) else ():
        if isinstance(one, dict) and not Path(str(one.get("path"))).is_dir():
            named[str(one.get("path"))] = one.get("content")
    for path, content in named.items():
        try:
            if sha256_of(Path(path)) != content:
                return f"{os.path.basename(path)} has changed"  # noqa: PTH119 - any text may stand there
        except (OSError, ValueError):
            return f"{os.path.basename(path)} is gone"  # noqa: PTH119
    with suppress(OSError):
        if str(Path(str(identity.get("pylock"))).stat().st_mtime_ns) != str(identity.get("mtime")):
            return "the lock was written anew"
    return "ready"


def _used(folder: Path) -> float:
    for path in (folder / start.MARKER, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0
