"""Fuzzing of every reader of hostile input, each for some time, with 500 MB and 10 seconds for one input.

Run it from the repository: `.venv/bin/python -m benchmarks.fuzz [--seconds N] [--start N] [TARGET]...`. Without
targets it takes all of them. An input that lets out another error than those for people is shown as small as it can
be made. The same start gives the same inputs; another one gives others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import traceback

from tests.hostile.fuzz.harness import fuzz_for
from tests.hostile.fuzz.targets import TARGETS


def main() -> int:
    """Print a line for each target, and the first error of each that fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--start", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    asked = parser.parse_args()
    print(f"{asked.seconds:g} seconds each, --start {asked.start}", flush=True)
    # A process each, because the limit of memory stays, and a parser in C may end its process.
    failed = 0
    for name in asked.targets or TARGETS:
        child = multiprocessing.get_context("fork").Process(target=_run, args=(name, asked.seconds, asked.start))
        child.start()
        child.join()
        if child.exitcode:
            failed += 1
            print(f"{name}: FAILED with {child.exitcode}", flush=True)
    return min(failed, 1)


def _run(name: str, seconds: float, start: int) -> None:
    try:
        count = fuzz_for(TARGETS[name], seconds, start=start)
    except BaseException:  # noqa: BLE001 - a hang and the end of memory count as well
        traceback.print_exc()
        sys.exit(1)
    print(f"{name}: {count} inputs", flush=True)


if __name__ == "__main__":
    sys.exit(main())
