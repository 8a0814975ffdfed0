"""What goes between submitter and worker: one attempt at a piece of work, and its outcome."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.artifacts.work import Piece, Work
from bundle.base.errors import BundleError
from bundle.base.files import CHUNK

PART = 2**22
"""Bytes of a result's file that go through the scheduler at once."""

WORKER_ENDS = "the worker ended"
"""Why an attempt ended that its worker gave back: nothing of it runs any more."""

TAKEN = "another process has the attempt"
"""Why an attempt ended that the scheduler gave to a second worker, because it had lost the first."""


LOST = "its worker is gone"
"""Why a piece ended that is not to be repeated; nothing of it runs any more."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at one piece of work."""

    run: str
    """Stands for everything that one submitter submits together; a name that cannot be guessed."""
    number: int
    """Of the piece."""
    name: str
    count: int
    """1 for the first attempt at the piece."""
    lease: float
    work: Work

    @property
    def ticket(self) -> str:
        """The name of the queue that holds one ticket: the process that takes it runs the attempt, and no other."""
        return f"{self.run}-{self.number}-{self.count}"

    @property
    def inbox(self) -> str:
        """The name of the queue of messages to the attempt, which no other attempt reads."""
        return f"{self.ticket}-inbox"

    def sealed(self, perform: Callable[[Attempt], bytes]) -> bytes:
        """Return bytes that run the attempt when they are unpickled.

        The scheduler reads the function of a task, but not its arguments: with `pickle.loads` as the function, it
        needs neither this program nor the same Python.
        """
        return pickle.dumps(_Sealed(perform, self))


class _Sealed:
    def __init__(self, perform: Callable[[Attempt], bytes], attempt: Attempt) -> None:
        self._call = perform, (attempt,)

    def __reduce__(self) -> tuple[Callable[[Attempt], bytes], tuple[Attempt]]:
        return self._call


@dataclass(frozen=True, kw_only=True)
class Result:
    """The file of a result."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Result:
        """Return what stands for the bytes of a file."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return cls(size=size, sha256=digest.hexdigest())


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an attempt."""

    value: Any = None
    error: BundleError | None = None
    """Why the work failed."""
    ended: str = ""
    """Why it ended before its time; empty if it did not."""
    files: Mapping[str, Result] = field(default_factory=dict)
    """Files of the result that the worker has, by their paths."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a piece of work said while it ran."""

    piece: Piece
    attempt: int
    worker: str
    """The worker's name."""
    line: str | None = None
    value: Any = None
    """What it told, if it is no line."""


Listener = Callable[[Told], object]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A piece of work that has ended; its results are in its target."""

    piece: Piece
    outcome: Outcome
    attempts: int
    worker: str
    """The worker's name."""
