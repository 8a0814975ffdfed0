"""Attempts repeated while a failure may pass."""

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
"""Seconds that a server may ask to be left alone."""


class TransientError(Exception):
    """A failure that may pass; whoever retries raises the error in it when it does not.

    Args:
        error: what the user is told in the end.
        wait: seconds that the other side asked for.
        progress: whether the attempt brought the work forward; then the count of failures starts anew.
    """

    def __init__(self, error: BundleError, *, wait: float = 0.0, progress: bool = False) -> None:
        super().__init__(error.what)
        self.error = error
        self.wait = wait
        self.progress = progress


def retried(attempt: Callable[[], _T], *, retries: int, backoff: float, reporter: Reporter) -> _T:
    """Call until it works, with pauses that double and are never quite the same.

    Args:
        attempt: what to do; raises `TransientError` for failures that may pass.
        retries: further attempts after the first.
        backoff: seconds before the first of them.
        reporter: told about each failure.

    Returns:
        What the attempt returned.

    Raises:
        BundleError: the last failure, when it did not pass.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except TransientError as transient:
            failures = 1 if transient.progress else failures + 1
            if failures > retries:
                raise transient.error from transient.__cause__
            # Many clients that failed together must not come back together.
            pause = backoff * 2 ** (failures - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            pause = max(pause, min(transient.wait, _LONGEST_WAIT))
            reporter.detail(f"{transient.error.what} Trying again in {pause:.1f} s.")
        time.sleep(pause)
