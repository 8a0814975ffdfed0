"""Feeds one target with changed samples, and lets nothing out but the errors that people can act on."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bundle.base.errors import BundleError

HANG = 10
"""Seconds of computing that one input may take."""

MEMORY = 500 * 2**20
"""Bytes that one input may take."""


class HangError(BaseException):
    """An input takes too long."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader of hostile input."""

    inputs: st.SearchStrategy[Any]
    feed: Callable[[Any, Path], object]
    """Reads an input; gets an empty folder."""
    weight: int = 1
    """How many times as long an input takes as that of the quickest targets."""


def fuzz(target: Target, *, examples: int, start: int = 0) -> None:
    """Feed a target.

    Raises:
        Exception: what it raised, other than a `BundleError`.
    """

    def once(value: Any) -> None:
        with TemporaryDirectory() as folder, _in_time(), suppress(BundleError):
            target.feed(value, Path(folder))

    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    limits = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=checks,
    )
    seed(start)(limits(given(target.inputs)(once)))()


def fuzz_for(target: Target, seconds: float, *, start: int = 0) -> int:
    """Feed a target for some time within the limit of memory, and return the number of inputs."""
    limit_memory()
    ends, count, examples = time.monotonic() + seconds, 0, 200
    while time.monotonic() < ends:
        fuzz(target, examples=examples, start=start + count)
        count += examples
    return count


def limit_memory() -> None:
    """Let this process take no more than `MEMORY` beyond what it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


@contextmanager
def _in_time() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError(f"it took more than {HANG} s")

    # Its own time, because other processes may take the most of any other; what waits is given six times as long.
    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, HANG), (signal.ITIMER_REAL, signal.SIGALRM, 6 * HANG))
    before = [signal.signal(number, stop) for _, number, _ in clocks]
    for clock, _, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)
