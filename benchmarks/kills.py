"""Builds, locks and prunings that are killed at random moments; the next run has to give the same bytes.

Run it from the repository: `.venv/bin/python -m benchmarks.kills [COUNT] [SEED]`. After each kill the project is built
again: archive, lock and catalogue are compared with those of a build that nothing disturbed, and the store and the
catalogue are verified.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.make.killing import Killing
from tests.make.projects import small_world


class _Folders:
    def __init__(self, base: Path) -> None:
        self._base = base

    def getbasetemp(self) -> Path:
        return self._base

    def mktemp(self, basename: str) -> Path:
        (self._base / basename).mkdir()
        return self._base / basename


def main() -> int:
    """Print every kill, and how many of them ended well."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    wrong = 0
    left: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, small_world(_Folders(Path(name))) as world:
        killing = Killing(world, Path(name, "killed"))
        print({victim: round(seconds, 1) for victim, seconds in killing.seconds.items()}, "seconds undisturbed")
        for number, kill in enumerate(killing.kills(count, seed=seed), 1):
            wrong += bool(kill.wrong)
            left[kill.victim] += bool(kill.left)
            print(f"{number}: {kill}", flush=True)
    print(f"{count - wrong} of {count} ended well; half-made files were left {dict(left)} times")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
