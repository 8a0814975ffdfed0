"""Repeated attempts after failures that may pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from bundle.base.errors import BundleError
    from bundle.base.report import Reporter

_T = TypeVar("_T")

_LONGEST_WAIT = 60.0
"""Seconds of a pause that a server may ask for."""


class TransientError(Exception):
    """A failure that may pass; `retried` raises the error in it when it does not.

    Args:
        error: raised after the last attempt.
        wait: seconds that the server asked for.
        progress: whether the attempt brought the work forward; then the count of failures starts anew.
        retries: further attempts that are worth while, at most.
    """

    def __init__(
        self, error: BundleError, *, wait: float = 0.0, progress: bool = False, retries: int | None = None
    ) -> None:
        super().__init__(error.what)
        self.error = error
        self.wait = wait
        self.progress = progress
        self.retries = retries


def retried(attempt: Callable[[], _T], *, retries: int, backoff: float, reporter: Reporter) -> _T:
    """Call a function until it raises no `TransientError`, with pauses that double and are never quite the same.

    Args:
        retries: further attempts after the first.
        backoff: seconds before the first of them.

    Raises:
        BundleError: the last failure, when it did not pass.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except TransientError as transient:
            failures = 1 if transient.progress else failures + 1
            if failures > (retries if transient.retries is None else min(retries, transient.retries)):
                raise transient.error from transient.__cause__
            # Many clients that failed together must not come back together.
            pause = backoff * 2 ** (failures - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            pause = max(pause, min(transient.wait, _LONGEST_WAIT))
            reporter.detail(f"{transient.error.what} Trying again in {pause:.1f} s.")
        time.sleep(pause)
