"""A version with packages that are hard to verify, built and run for three platforms without one exception.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/hard_packages.py [PLATFORM]... [--folder DIR]`. The
packages are the newest that PyPI has, so what the checks judge wrongly of a new release shows here first: it prints
each error, inconclusive answer and warning, then a table. The exit code is 1 if a build or a run fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.foreign.pythons import foreign_python  # noqa: E402

PACKAGES = (
    *("jupyter", "scipy", "matplotlib", "numba", "pydantic"),
    *("cryptography", "polars", "debugpy", "awscli", "mypy"),
)

GLIBC = "2.36"
"""The floor of the interpreter for linux-aarch64, which comes from Debian."""

SEVERITIES = ("error", "inconclusive", "warning")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One platform."""

    key: str
    built: float
    """Seconds of lock and build, downloads included."""
    ran: float
    """Seconds of `verify --run`."""
    checked: int
    counts: dict[str, int]
    """Findings of `verify --run`, by severity."""
    known: int
    answer: str


def main() -> None:
    """Print what is found, and a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("platforms", nargs="*", default=["linux-x64", "linux-aarch64", "windows-x64"])
    parser.add_argument("--folder", type=Path, help="keeps the project and its bundles; else they are removed")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="hard-packages-") as scratch:
        folder = options.folder or Path(scratch)
        rows = [_platform(folder, key) for key in options.platforms]
    columns = ("platform", "build s", "run s", "checked", "errors", "inconclusive", "warnings", "known", "answer")
    print(*(f"{name:>13}" for name in columns))
    for row in rows:
        counts = [row.counts[name] for name in SEVERITIES]
        figures = (row.key, round(row.built), round(row.ran), row.checked, *counts, row.known, row.answer)
        print(*(f"{figure:>13}" for figure in figures))
    sys.exit(any(row.answer == "fail" for row in rows))


def _platform(folder: Path, key: str) -> Row:
    python, interpreter = _interpreter(key)
    version = f"{python}-hard"
    config = {
        "platforms": [key],
        "interpreter": interpreter,
        "packages": {"dependencies": PACKAGES},
        "build": {"glibc": GLIBC} if key == "linux-aarch64" else {},
    }
    (folder / "versions" / version).mkdir(parents=True, exist_ok=True)
    (folder / "shared-config.json").write_text("{}")
    (folder / "versions" / version / "config.json").write_text(json.dumps(config))
    started = time.monotonic()
    built = _bundle(folder, "build", version, "--platform", key)
    if built.returncode:
        sys.exit(f"{key}: the build failed:\n{built.stderr.decode()}")
    built_in = time.monotonic() - started
    report = json.loads(_bundle(folder, "--json", "verify", version, "--platform", key, "--run").stdout)["bundles"][0]
    open_findings = [one for one in report["findings"] if one["known"] is None and one["accepted"] is None]
    for one in open_findings:
        if one["severity"] in SEVERITIES:
            print(f"{key}: {one['severity']}: {one['check']}: {one['subject']}: {one['message']} ({one['rule']})")
            print(*(f"    {line}" for line in one["details"]), sep="\n")
    return Row(
        key=key,
        built=built_in,
        ran=report["seconds"],
        checked=sum(report["checked"].get(check, 0) for check in ("requirements", "imports", "relocation")),
        counts={name: sum(one["severity"] == name for one in open_findings) for name in SEVERITIES},
        known=sum(one["known"] is not None for one in report["findings"]),
        answer=report["answer"],
    )


def _interpreter(key: str) -> tuple[str, dict[str, Any]]:
    """Return the version of the interpreter for a platform, and its configuration."""
    if key == "linux-x64":
        return "3.12.10", {"sources": ["host"], "substitute": "patch"}
    prepared = foreign_python(key)
    return prepared.python, {"sources": ["archive"], "archives": {key: prepared.config}}


def _bundle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bundle", "--project", str(folder), *arguments]
    return subprocess.run(command, check=False, capture_output=True)


if __name__ == "__main__":
    main()
