"""A piece of work that may run on another machine, and what it gets there; the terms of both sides for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store
    from bundle.model.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine of a worker, as work finds it."""

    platform: Platform | None
    """None if it is none of ours."""
    environ: Mapping[str, str] = field(repr=False)
    """The variables of the worker, never of the submitter."""
    store: Store
    data: Path
    """The user's data folder, with the records of installs."""
    root: Path
    """A folder that the workers of this user share."""


class WorkContext(Protocol):
    """What a piece of work gets where it runs."""

    name: str
    """Of the piece."""
    attempt: int
    """1 for the first; a higher one runs what an earlier one, whose worker was lost, may have done in part."""
    machine: Machine
    folder: Path
    """An empty folder, removed when the work has ended."""
    results: Path
    """A folder in it; the files that the work leaves there reach the submitter, checked by their SHA-256."""
    stopped: Event
    """Set when the work is to end at once: it was cancelled, its lease has run out, or the worker ends."""

    def say(self, line: str) -> None:
        """Send a line of the log to the submitter; secrets are masked by the caller."""

    def tell(self, value: Any) -> None:
        """Send a JSON value to the submitter at once, such as the result of a part."""

    def receive(self, seconds: float) -> Any:
        """Return the next JSON value, or bytes, that the submitter sent to this attempt; None if it sends none."""


class Work(Protocol):
    """What runs: a value that pickle can take to a process with the same version of this program."""

    def __call__(self, context: WorkContext) -> Any:
        """Do it, and return a value that pickle can take back.

        Raises:
            BundleError: it failed; another attempt would fail as well.
        """


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of work, and what a worker must have to run it."""

    name: str
    """Unique among the pieces that are submitted together; begins each line of its log."""
    work: Work
    needs: Mapping[str, float] = field(default_factory=dict)
    """Resources that it takes of a worker while it runs."""
    target: Path | None = None
    """Folder of the submitter that gets its results."""
    repeated: bool = True
    """Whether it begins again when its worker is lost; if not, it ends then."""


BUILD, SESSION = "build", "session"
"""The resources of workers: one build at a time, and as many sessions as it has slots."""


def platform_resource(key: str) -> str:
    """Return the resource of workers that are machines of a platform, and so build native code for it."""
    return f"platform:{key}"


def session_resource(key: str) -> str:
    """Return the resource of workers whose sessions run programs of a platform."""
    return f"session:{key}"
