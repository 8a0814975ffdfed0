"""Maintenance of the store: damage, unused entries, leftovers of killed processes, sizes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store import json_cache
from bundle.artifacts.store.file_cache import complete_files
from bundle.artifacts.store.frames import frames_damage
from bundle.artifacts.store.paths import PARTS
from bundle.artifacts.store.scratch import in_use_since
from bundle.artifacts.store.trees import damage
from bundle.base.files import locked, sha256_of
from bundle.base.folders import size_of
from bundle.base.staging import remove_whole, sweep_staging
from bundle.base.threads import all_of, in_parallel

if TYPE_CHECKING:
    from bundle.artifacts.store.paths import StorePaths
    from bundle.base.report import Reporter

_DAY = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A damaged entry of the store."""

    message: str
    path: Path
    """Has to go; it is made again when it is needed."""


def find_damage(paths: StorePaths, *, full: bool, reporter: Reporter) -> list[Damage]:
    """Check everything in the store; leftovers of killed processes are swept, and are no damage.

    Args:
        full: read every byte, in place of looking at sizes, times and modes.
    """
    sweep(paths)
    jobs = list(_checks(paths, full=full))
    with reporter.task("checking the store", total=len(jobs)) as task:

        def check(job: tuple[Path, Callable[[Path], str | None]]) -> Damage | None:
            path, problem_of = job
            try:
                problem = problem_of(path)
            except FileNotFoundError:
                # Another process pruned it meanwhile; if a part of it is still there, it is damaged.
                problem = f"{path} is incomplete" if os.path.lexists(path) else None
            task.advance()
            return Damage(message=problem, path=path) if problem else None

        found = all_of(in_parallel(check, jobs, threads=os.cpu_count() or 1))
    return [damaged for damaged in found if damaged is not None]


def _checks(paths: StorePaths, *, full: bool) -> Iterator[tuple[Path, Callable[[Path], str | None]]]:
    def layer(folder: Path) -> str | None:
        problem = damage(folder, full=full)
        return f"layer {folder.name}: {problem}" if problem else None

    def frames(folder: Path) -> str | None:
        problem = frames_damage(folder, full=full, content=full)
        return f"frames: {problem}" if problem else None

    def value(path: Path) -> str | None:
        return None if json_cache.is_sound(path) else f"{path.relative_to(paths.root)} cannot be read"

    def file(path: Path) -> str | None:
        return None if sha256_of(path) == path.parent.name else f"file {path}: its bytes do not have its hash"

    yield from ((folder, layer) for folder in paths.entries("layers"))
    # Files there are frames of an earlier form, which no build looks for.
    yield from ((folder, frames) for folder in paths.entries("frames") if folder.is_dir())
    for name, part in PARTS.items():
        if part.json:
            yield from ((path, value) for path in paths.entries(name) if path.suffix == ".json")
    if full:
        yield from ((path, file) for folder in paths.entries("files") for path in complete_files(folder))


def prune(paths: StorePaths, *, older_than_days: float, now: float | None, reporter: Reporter) -> int:
    """Remove unused entries and leftovers of killed processes; return the bytes freed.

    What was used since the oldest running command that uses the store began is kept.

    Args:
        older_than_days: days since the last use of the entries that are removed.
        now: seconds since 1970; the clock's time if None.
    """
    sweep(paths)
    oldest = (time.time() if now is None else now) - older_than_days * _DAY
    since = in_use_since(paths.part("work"))
    if since < oldest:
        reporter.info("other commands use the store: what they may have used stays")
        oldest = since
    freed = 0
    for name, part in PARTS.items():
        for path in paths.entries(name):
            if _last_use(path) > oldest:
                continue
            lock = path.with_name(f"{path.name}.lock")
            with locked(lock, reporter=reporter, what=str(path)) if part.locks else nullcontext():
                if _last_use(path) <= oldest:
                    freed += _removed(path)
    return freed


def _removed(path: Path) -> int:
    """Remove an entry and return its bytes, on a full disk too: nothing is made for it."""
    size = size_of(path)
    try:
        remove_whole(path)
    except FileNotFoundError:
        return 0  # Another process prunes, too.
    return size


def _last_use(path: Path) -> float:
    """Return the latest modification time of a file, or of the files directly in a folder; 0 if there is none."""
    try:
        if not path.is_dir():
            return path.stat().st_mtime
        with os.scandir(path) as found:
            return max((item.stat().st_mtime for item in found if item.is_file()), default=0.0)
    except FileNotFoundError:
        return 0.0


def sweep(paths: StorePaths) -> None:
    """Remove half-made files and folders of killed processes, anywhere in the store."""
    for folder in paths.staging_folders():
        sweep_staging(folder)


def size(root: Path) -> dict[str, int]:
    """Return the bytes that each part of the store takes, by the names of its folders; none if there is no store."""
    if not root.is_dir():
        return {}
    return {folder.name: size_of(folder) for folder in sorted(root.iterdir()) if folder.is_dir()}
