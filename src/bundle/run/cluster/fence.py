"""Attempts: which one of a piece of work counts, when the next may begin, and how long a worker may go on unheard.

A worker that is lost may still run. So each attempt has a lease, which ends unless the worker hears from the submitter;
the next attempt begins when the lease of the lost one has ended, or its process is known to be gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

BEAT = 1.0
"""Seconds between two signs of life of the submitter, and between two looks of a worker at them."""

LEASE = 30.0
"""Seconds for which work goes on without a sign of life."""

MARGIN = 5.0
"""Seconds behind the end of a lease until the work that it allowed has ended for certain."""

MOST_LOST = 3
"""Workers that may be lost with one piece of work before it is given up: it may be what ends them."""


@dataclass(kw_only=True)
class Attempts:
    """The attempts at one piece of work."""

    current: int = 0
    """The only one whose result counts; 0 before the first."""
    worker: str = ""
    """Address of the worker that has begun it; empty before."""
    running: bool = False
    lost: int = 0
    """Attempts whose worker was lost."""
    due: float = 0.0
    """When the next one may begin."""

    def begin(self) -> int:
        """Begin the next attempt, and return its number."""
        self.current += 1
        self.worker = ""
        self.running = True
        return self.current

    def began(self, attempt: int, worker: str) -> bool:
        """Note where an attempt runs, and return whether it counts; of one that began twice, the first place."""
        if not self.counts(attempt):
            return False
        self.worker = self.worker or worker
        return True

    def counts(self, attempt: int) -> bool:
        """Return whether an attempt is the one whose result counts."""
        return self.running and attempt == self.current

    def lose(self, now: float, wait: float) -> bool:
        """Give the current attempt up, and return whether there may be another one.

        Args:
            wait: seconds until what it runs has ended.
        """
        self.running = False
        self.lost += 1
        self.due = now + wait
        return self.lost < MOST_LOST

    def hand_back(self, now: float) -> None:
        """Let the next attempt begin at once, because the worker ended this one itself."""
        self.running = False
        self.due = now

    def end(self) -> None:
        """End the piece: no attempt counts any more."""
        self.running = False
        self.due = math.inf


@dataclass(kw_only=True)
class Lease:
    """What a worker knows of the submitter's life."""

    seconds: float
    clock: Callable[[], float]
    _sign: object = field(default=None, init=False)
    _heard: float = field(init=False)

    def __post_init__(self) -> None:
        self._heard = self.clock()

    def hear(self, sign: object) -> None:
        """Renew the lease by a sign of life that differs from the last one."""
        if sign != self._sign:
            self._sign = sign
            self._heard = self.clock()

    @property
    def over(self) -> bool:
        """Whether the work has to end."""
        return self.clock() - self._heard > self.seconds
