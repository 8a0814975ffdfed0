"""A bundle rebuilt from a warm store, archive included, against uv plus tar for the same packages.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/rebuild.py [VERSION] [ROUNDS]`. Both sides have warm
caches, and take turns, so that a machine whose speed drifts treats both alike. The bundle's side makes more: it holds
an interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from packaging.pylock import Pylock
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print every round and the median ratio."""
    version = sys.argv[1] if len(sys.argv) > 1 else "3.12.10"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)
        pins = folder / "requirements.txt"
        pins.write_text(_pins(version))
        print(f"{version}: bundle (interpreter + packages + archive) and uv --target + tar --zstd (packages), seconds")
        _bundle(version, folder)
        _peer(pins, version, folder)
        ratios = []
        for number in range(1, rounds + 1):
            ours = _bundle(version, folder)
            install, pack = _peer(pins, version, folder)
            ratios.append(ours / (install + pack))
            print(
                f"round {number}: bundle {ours:5.2f}   uv {install:5.2f} + tar {pack:5.2f} = {install + pack:5.2f}"
                f"   ratio {ratios[-1]:.2f}"
            )
        print(f"median ratio {statistics.median(ratios):.2f}")


def _pins(version: str) -> str:
    lock = Pylock.from_dict(tomllib.loads((ROOT / "versions" / version / "pylock.linux-x64.toml").read_text()))
    return "".join(f"{package.name}=={package.version}\n" for package in lock.packages)


def _bundle(version: str, folder: Path) -> float:
    output = folder / "pydist"
    shutil.rmtree(output, ignore_errors=True)
    seconds, text = _timed(
        sys.executable, "-m", "bundle", "--project", str(ROOT), "--json", "build", version, "--output", str(output)
    )
    status = json.loads(text)["bundles"][0]["status"]
    if status != "built":
        sys.exit(f"the bundle was {status}, not built")
    return seconds


def _peer(pins: Path, version: str, folder: Path) -> tuple[float, float]:
    target, archive = folder / "target", folder / "target.tar.zst"
    shutil.rmtree(target, ignore_errors=True)
    archive.unlink(missing_ok=True)
    python = ".".join(version.split("-")[0].split(".")[:2])
    install, _ = _timed(
        *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python-version", python),
        *("--only-binary", ":all:", "--target", str(target), "--requirements", str(pins)),
    )
    pack, _ = _timed("tar", "--zstd", "-cf", str(archive), "-C", str(target), ".")
    return install, pack


def _timed(*command: str) -> tuple[float, str]:
    started = time.perf_counter()
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if result.returncode:
        sys.exit(f"{command[0]} failed:\n{result.stderr}")
    return seconds, result.stdout


if __name__ == "__main__":
    main()
