"""Looking after the store: what is damaged in it, what nobody needs any more, how large it is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.file_cache import complete_files
from bundle.artifacts.store.frame_cache import read_record
from bundle.artifacts.store.keys import read_key
from bundle.artifacts.store.trees import damage
from bundle.base.errors import IntegrityError
from bundle.base.files import remove_tree, sha256_of, sweep_staging

if TYPE_CHECKING:
    from bundle.artifacts.store.paths import Layout
    from bundle.base.report import Reporter

_DAY = 24 * 3600.0

_SMALL_CACHES = ("audits", "metadata", "pages", "urls", "verified")
"""Folders of single files that are found out again when they are missing."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Something in the store that is not what it was."""

    message: str
    paths: tuple[Path, ...]
    """What has to go; it is made again when it is needed."""

    def remove(self) -> None:
        """Remove what is damaged."""
        for path in self.paths:
            remove_tree(path)


def find_damage(layout: Layout, *, full: bool, reporter: Reporter) -> list[Damage]:
    """Check everything in the store; what killed processes left is swept, and is no damage.

    Args:
        layout: of the store.
        full: read every byte, in place of looking at sizes, times and modes.
        reporter: told how far it is.
    """
    sweep(layout)
    jobs: list[Callable[[], Damage | None]] = []
    jobs.extend(_Check(layout, full, _check_layer, folder) for folder in layout.layers())
    jobs.extend(_Check(layout, full, _check_key, path) for path in layout.key_files())
    jobs.extend(_Check(layout, full, _check_frame, path) for path in layout.frames())
    if full:
        jobs.extend(
            _Check(layout, full, _check_file, p) for folder in layout.downloads() for p in complete_files(folder)
        )
        jobs.extend(_Check(layout, full, _check_built, folder) for folder in layout.root.glob("built/??/*"))
    found: list[Damage] = []
    with (
        reporter.task("checking the store", total=len(jobs)) as task,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        for result in pool.map(lambda job: job(), jobs):
            task.advance()
            if result is not None:
                found.append(result)
    return found


@dataclass(frozen=True)
class _Check:
    layout: Layout
    full: bool
    check: Callable[[Layout, Path, bool], Damage | None]
    path: Path

    def __call__(self) -> Damage | None:
        try:
            return self.check(self.layout, self.path, self.full)
        except FileNotFoundError:
            # Another process pruned it meanwhile; if it is only half there, it is damaged.
            if os.path.lexists(self.path):
                return Damage(message=f"{self.path} is incomplete", paths=(self.path,))
            return None


def _check_layer(layout: Layout, folder: Path, full: bool) -> Damage | None:  # noqa: ARG001 - all checks are alike
    problem = damage(folder, full=full)
    return Damage(message=f"layer {folder.name}: {problem}", paths=(folder,)) if problem else None


def _check_key(layout: Layout, path: Path, full: bool) -> Damage | None:  # noqa: ARG001
    try:
        read_key(path)
    except IntegrityError:
        return Damage(message=f"key {path}: it cannot be read", paths=(path,))
    return None


def _check_frame(layout: Layout, path: Path, full: bool) -> Damage | None:
    record = layout.record(path)
    frame = read_record(layout, path)
    if frame is None:
        # Without a record it is what a killed process left, and nobody uses it.
        return (
            Damage(message=f"frame {path}: its record cannot be read", paths=(path, record))
            if record.exists()
            else None
        )
    if path.stat().st_size != frame.size:
        return Damage(message=f"frame {path}: it does not have its {frame.size} bytes", paths=(path, record))
    if full and sha256_of(path) != frame.sha256:
        return Damage(message=f"frame {path}: it has other bytes", paths=(path, record))
    return None


def _check_file(layout: Layout, path: Path, full: bool) -> Damage | None:  # noqa: ARG001
    if sha256_of(path) != path.parent.name:
        return Damage(message=f"file {path}: its bytes do not have its hash", paths=(path,))
    return None


def _check_built(layout: Layout, folder: Path, full: bool) -> Damage | None:  # noqa: ARG001
    try:
        about = json.loads((folder / "built.json").read_bytes())
        sound = sha256_of(folder / Path(about["file"]).name) == about["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    return None if sound else Damage(message=f"built wheel {folder}: its bytes do not have its hash", paths=(folder,))


def prune(layout: Layout, *, older_than_days: float, now: float | None, work: Path) -> int:
    """Remove what was not used for a while, and what killed processes left; return the bytes freed.

    Args:
        layout: of the store.
        older_than_days: how long it was not used.
        now: seconds since 1970; the clock's time if None.
        work: a folder on the store's file system, for what is on its way out.
    """
    sweep(layout)
    oldest = (time.time() if now is None else now) - older_than_days * _DAY
    freed = 0
    for number, path in enumerate(_unused(layout, oldest)):
        freed += _bytes(path)
        # Renamed first: nobody may find a half of it.
        try:
            path.rename(work / str(number))
        except FileNotFoundError:
            continue  # Another process prunes, too.
        remove_tree(work / str(number))
    return freed


def _unused(layout: Layout, oldest: float) -> Iterator[Path]:
    for folder in layout.layers():
        if _time(folder / "used", folder / "layer.json") <= oldest:
            yield folder
    yield from (path for path in layout.key_files() if _time(path) <= oldest)
    # A record goes before its frame: a frame alone is absent, a record alone would name nothing.
    yield from (path for path in layout.records() if _time(path) <= oldest)
    yield from (path for path in layout.frames() if not layout.record(path).exists() and _time(path) <= oldest)
    for folder in layout.downloads():
        if max((_time(path) for path in folder.iterdir()), default=0.0) <= oldest:
            yield folder
    yield from (folder for folder in layout.root.glob("built/??/*") if _time(folder / "built.json") <= oldest)
    yield from (folder for folder in layout.work.glob("wine-*/") if _time(folder / "system.reg") <= oldest)
    for name in _SMALL_CACHES:
        for path in (layout.root / name).rglob("*"):
            if path.is_file() and _time(path) <= oldest:
                yield path


def _time(*paths: Path) -> float:
    """Return the modification time of the first path that exists."""
    for path in paths:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            continue
    return 0.0


def sweep(layout: Layout) -> None:
    """Remove what killed processes left half-made anywhere in the store.

    Args:
        layout: of the store.
    """
    sweep_staging(layout.work)
    for pattern in ("keys/*/??", "frames/??", "files/??/*", "built/??", "metadata", "pages", "urls", "verified"):
        for folder in layout.root.glob(pattern):
            sweep_staging(folder)


def size(root: Path) -> dict[str, int]:
    """Return the bytes that each part of the store takes, by the names of its folders.

    Args:
        root: the store's folder; may be absent.
    """
    if not root.is_dir():
        return {}
    return {folder.name: _bytes(folder) for folder in sorted(root.iterdir()) if folder.is_dir()}


def _bytes(path: Path) -> int:
    if not path.is_dir():
        try:
            return path.lstat().st_size
        except FileNotFoundError:
            return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += _bytes(Path(folder, name))
    return total
