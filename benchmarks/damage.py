"""Random changes to built bundles, and how many of them the check `files` of `bundle verify` finds.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/damage.py FOLDER... [--changes N] [--seed N]`. Each
change is made in place, hidden as far as sizes and times go, and undone. Edits of `bundle.json` are made where a
catalogue knows the bundle. It says each change that is not found, and whether the unchanged bundle passes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.make.verify.damage import Damage  # noqa: E402

from bundle.base.report import Reporter  # noqa: E402
from bundle.make.verify.known import known_of  # noqa: E402
from bundle.model.config.project import SHARED, Project  # noqa: E402
from bundle.model.manifest import read_manifest  # noqa: E402


def main() -> None:
    """Print a line for each bundle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    missed = 0
    for folder in options.folders:
        manifest = read_manifest(folder)
        known = known_of(folder, manifest, _project(folder), built="", reporter=Reporter())
        damage = Damage(folder.resolve(), Random(options.seed), known)
        before = damage.found()
        found: Counter[str] = Counter()
        kinds = list(damage.kinds)
        for number in range(options.changes):
            kind = kinds[number % len(kinds)]
            with damage.changed(kind) as what:
                if damage.found():
                    found[kind] += 1
                else:
                    missed += 1
                    print(f"not found: {what}")
        after = damage.found()
        passes = "passes" if not before and not after else f"does not pass: {before or after}"
        kinds_found = ", ".join(f"{kind} {count}" for kind, count in found.items())
        print(f"{manifest.version} {manifest.platform}: {found.total()} of {options.changes} found ({kinds_found})")
        print(f"  unchanged it {passes}; known by {known.by or 'nothing'}")
    sys.exit(missed > 0)


def _project(folder: Path) -> Project | None:
    """Return the project in whose output folder a bundle lies."""
    root = folder.resolve().parents[2]
    return Project(root) if (root / SHARED).is_file() else None


if __name__ == "__main__":
    main()
