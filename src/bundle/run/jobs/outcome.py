"""The states of a job, and what became of it: exit code, times, memory, files, and the result that its script left."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bundle.base.files import read_regular
from bundle.base.text import printable
from bundle.run.jobs.config import Meaning

RESULT_FILE = "result.json"
"""What a script may leave in its folder."""

_MOST_RESULT = 2**20
"""Bytes of a `result.json`."""

_DEEPEST = 50
"""Levels of a `result.json`."""

MOST_FILES = 1000
"""Files that are listed; the others are counted."""

_MOST_ENTRIES = 100_000
"""Files of a folder that are looked at."""


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """It is described; nothing has asked for its start."""
    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    FINISHED_OK = "finished_ok"
    FINISHED_ERROR = "finished_error"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    """It lost the program that watches it."""

    @property
    def final(self) -> bool:
        """Whether no other state follows."""
        return self in FINAL


FINAL = frozenset({State.FINISHED_OK, State.FINISHED_ERROR, State.CANCELLED, State.ABORTED})


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file that a job wrote, relative to its folder."""

    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job; as JSON, its keys are in camel case."""

    job_id: str
    state: str
    reason: str = ""
    """In words, why it is in this state; empty where the state says all."""
    exit_code: int | None = None
    """Negative for the signal that ended it; None if it did not start."""
    started_at: float | None = None
    """Seconds since 1970."""
    ended_at: float | None = None
    seconds: float = 0.0
    peak_memory: int = 0
    """Bytes that its processes used together at most, as far as that was seen."""
    files: tuple[WrittenFile, ...] = ()
    """Files that it wrote, the first 1000 by name."""
    files_total: int = 0
    result: Any = None
    """The content of the `result.json` that it left."""
    warnings: tuple[str, ...] = ()


def state_of(code: int | None, reason: str | None, meanings: Mapping[int, Meaning]) -> tuple[State, str]:
    """Return the state of a job that has ended, and why in words.

    Args:
        code: the exit code.
        reason: why it was ended, of `Ended`.
        meanings: of exit codes.
    """
    match reason:
        case "stopped":
            return State.CANCELLED, "It was stopped."
        case "lost":
            return State.ABORTED, "It lost its supervisor, which something ended."
        case "timeout":
            return State.FINISHED_ERROR, "It exceeded its time limit (runtimeConfig.timeout)."
        case "memory":
            return State.FINISHED_ERROR, "It exceeded its memory limit (runtimeConfig.memoryLimit)."
        case "processes":
            return State.FINISHED_ERROR, "It had more processes than it may (runtimeConfig.processLimit)."
    if code is not None and (meaning := meanings.get(code)):
        return State(meaning.state), meaning.text
    if code == 0:
        return State.FINISHED_OK, ""
    how = f"Signal {-code} ended it." if code is not None and code < 0 else f"It ended with exit code {code}."
    return State.FINISHED_ERROR, how


Snapshot = Mapping[str, tuple[int, int, int]]
"""Files by their path, with inode, size and time of change."""


def snapshot(folder: Path) -> Snapshot:
    """Return the files of a folder, links not followed, at most 100,000."""
    found: dict[str, tuple[int, int, int]] = {}
    ahead = [""]
    while ahead and len(found) < _MOST_ENTRIES:
        below = ahead.pop()
        try:
            with os.scandir(folder / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if len(ahead) < _MOST_ENTRIES:
                            ahead.append(name)
                    elif len(found) < _MOST_ENTRIES:
                        status = entry.stat(follow_symlinks=False)
                        found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            continue  # It is removed, or not readable.
    return found


def written(before: Snapshot, after: Snapshot) -> list[WrittenFile]:
    """Return the files that are new or changed, by name."""
    changed = sorted(name for name, what in after.items() if before.get(name) != what)
    return [WrittenFile(path=printable(name), size=after[name][1]) for name in changed]


def read_result(folder: Path) -> tuple[Any, str]:
    """Return the value of the `result.json` in a folder, and why it is not taken; empty if it is."""
    path = folder / RESULT_FILE
    if path.is_symlink():
        return None, f"{RESULT_FILE} is a link, and is not read."
    try:
        content = read_regular(path, most=_MOST_RESULT)
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except OSError as error:
        return None, f"{RESULT_FILE} is not read: {error.strerror}."
    except (ValueError, RecursionError) as error:
        return None, f"{RESULT_FILE} is no JSON: {str(error) or 'nested too deeply'}."
    if _depth(value) > _DEEPEST:
        return None, f"{RESULT_FILE} is nested deeper than {_DEEPEST} levels."
    return value, ""


def _depth(value: Any) -> int:
    """Return the levels of a value, at most one more than is permitted."""
    level = [value]
    for depth in range(_DEEPEST + 1):
        level = [
            item
            for one in level
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return depth
    return _DEEPEST + 1


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
