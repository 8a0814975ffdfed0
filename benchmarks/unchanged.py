"""The command `bundle build` for a bundle that is up to date; the target is under one second.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/unchanged.py [VERSION] [ROUNDS]`. The first build is
not measured.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print every round and the median."""
    version = sys.argv[1] if len(sys.argv) > 1 else "3.12.10"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    command = [sys.executable, "-m", "bundle", "--project", str(ROOT), "build", version]
    subprocess.run(command, check=True, capture_output=True)
    seconds = []
    for number in range(1, rounds + 1):
        started = time.perf_counter()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds.append(time.perf_counter() - started)
        if "unchanged" not in output:
            sys.exit(f"the bundle was built again:\n{output}")
        print(f"round {number}: {seconds[-1]:.2f}")
    print(f"median {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
