"""Provisioning with nothing to do, beside the start of the interpreter.

Run it from the repository: `.venv/bin/python -m benchmarks.provision [ROUNDS [PACKAGES]]`. Each package carries a wheel
of its own and one that all share. `bundle provision` is to say in under half a second that nothing is to do.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROUNDS, PACKAGES = 10, 20


def main() -> None:
    """Print the medians."""
    rounds, packages = (int(word) for word in (sys.argv[1:] + [ROUNDS, PACKAGES][len(sys.argv) - 1 :])[:2])
    bundle = Path(sys.executable).with_name("bundle")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "packages")
        for number in range(packages):
            folder = root / f"package{number}"
            (folder / "wheels").mkdir(parents=True)
            (folder / "python_modules").mkdir()
            asked = [f"own{number}", "shared"]
            (folder / "package.json").write_text(json.dumps({"requirements": {"pipPackages": asked}}))
            for one in asked:
                _write_wheel(folder / "wheels", one)
        words = [str(bundle), "provision", str(root), "--python", sys.executable]
        subprocess.run(words, check=True, capture_output=True)
        seconds = []
        for _ in range(rounds):
            started = time.perf_counter()
            done = subprocess.run([*words, "--json"], check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
            if json.loads(done.stdout).get("install"):
                raise SystemExit("There was something to do.")
    median = statistics.median(seconds)
    print(f"nothing to do, {packages} packages: median {median * 1000:.0f} ms, least {min(seconds) * 1000:.0f} ms")


def _write_wheel(folder: Path, name: str) -> None:
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: benchmarks\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


if __name__ == "__main__":
    main()
