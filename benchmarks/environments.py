"""Environments: first use and ready start, beside `uv venv` with `uv pip install`, and beside `uv run`.

Run it from the repository: `.venv/bin/python -m benchmarks.environments [ROUNDS [REQUIREMENT...]]`. The requirements
are locked once; then all take turns. The first use of a lock by a command that is known is measured with the wheels in
uv's cache; that of a command that bundle has never seen, on a machine where it has made other environments; that where
it has made none; and, in the first round, that with all caches empty, which needs the network. All ways run
`python -c pass` in the end. Beside the time stands the processor time of all programs.
The start is that in a ready environment; the interpreter itself is beside it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

REQUIREMENTS = ("numpy", "requests", "click", "jinja2", "pyyaml", "packaging")
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ALL = ("cache",)
STARTS = 30
"""Ready starts in each round."""


@dataclass
class Bench:
    """A folder with an application, a project of uv and their lock, and the times so far."""

    folder: Path
    cache: Path
    seconds: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of everything that is measured."""
        own = {"XDG_CACHE_HOME": str(self.folder / "cache"), "UV_CACHE_DIR": str(self.cache)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "BUNDLE_"))}
        return {**kept, **own, "UV_PYTHON_DOWNLOADS": "never"}

    def run(self, *words: str | Path) -> None:
        """Run a program quietly."""
        subprocess.run(words, cwd=self.folder, env=self.environ, check=True, capture_output=True)

    def measure(self, what: str, work: Callable[[], object]) -> None:
        """Add the time of some work."""
        before, started = _processor(), time.perf_counter()
        work()
        self.seconds.setdefault(what, []).append(time.perf_counter() - started)
        self.processor.setdefault(what, []).append(_processor() - before)

    def prepare(self, requirements: Sequence[str]) -> None:
        """Write and lock the application and the project."""
        listed = ", ".join(f'"{one}"' for one in requirements)
        (self.folder / "pyproject.toml").write_text(
            f'[project]\nname = "bench"\nversion = "1"\nrequires-python = "=={PYTHON}.*"\ndependencies = [{listed}]\n'
        )
        lines = ["type: python_env", "pylock: pylock.toml", "command: -c pass", f'python_version: "{PYTHON}"']
        text = "\n".join(["commands:", "  nothing:", *(f"    {line}" for line in lines), ""])
        (self.folder / "app.yml").write_text(text)
        uv = find_uv_bin()
        self.run(uv, "lock", "--python", sys.executable)
        self.run(
            uv, "export", "--quiet", "--frozen", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml"
        )

    def first_uses(self, label: str, *, online: bool = False, forgotten: Sequence[str] = ()) -> None:
        """Measure each way to a new environment.

        Args:
            online: whether all caches are empty.
            forgotten: folders with what bundle knows; if there are none, the command has run before with another lock.
        """
        uv, bundle = find_uv_bin(), Path(sys.executable).with_name("bundle")

        def plain() -> None:
            self.run(uv, "venv", "--no-project", "--python", sys.executable, "plain")
            self.run(uv, "pip", "install", "--python", "plain", "-r", "pylock.toml")
            self.run(self.folder / "plain" / "bin" / "python", "-c", "pass")

        ways: dict[str, Callable[[], None]] = {
            "uv venv + uv pip install": plain,
            "uv run": lambda: self.run(uv, "run", "--frozen", "--python", sys.executable, "python", "-c", "pass"),
            "bundle env run": lambda: self.run(bundle, "env", "run", "app.yml", "nothing"),
        }
        for name, work in ways.items():
            for place in ("plain", ".venv", *forgotten):
                shutil.rmtree(self.folder / place, ignore_errors=True)
            with (self.folder / "pylock.toml").open("a") as lock:
                lock.write("\n")
            if online:
                shutil.rmtree(self.cache, ignore_errors=True)
            self.measure(f"{label}: {name}", work)

    def starts(self) -> None:
        """Measure each ready start, in turns."""
        bundle = Path(sys.executable).with_name("bundle")
        self.first_uses("unmeasured", forgotten=ALL)
        self.run(find_uv_bin(), "sync", "--frozen", "--python", sys.executable)
        self.run(bundle, "env", "run", "app.yml", "nothing")
        made = next(self.folder.glob("cache/bundle/envs/*/.provisioned"))
        for _ in range(STARTS):
            self.measure("start: the interpreter", lambda: self.run(made.parent / "bin" / "python", "-c", "pass"))
            self.measure("start: bundle env run", lambda: self.run(bundle, "env", "run", "app.yml", "nothing"))
            self.measure(
                "start: uv run", lambda: self.run(find_uv_bin(), "run", "--frozen", "--no-sync", "python", "-c", "pass")
            )

    def sharing(self) -> None:
        """Print what a second environment with the same packages takes on the disk."""
        bundle = Path(sys.executable).with_name("bundle")
        lock = self.folder / "pylock.toml"
        lock.write_text(lock.read_text() + "\n")
        before = _usage(self.cache, self.folder / "cache")
        self.run(bundle, "env", "run", "app.yml", "nothing")
        after = _usage(self.cache, self.folder / "cache")
        alone = _usage(self.folder / "cache") / len([*self.folder.glob("cache/bundle/envs/*/.provisioned")])
        print(f"a second environment: {(after - before) / 2**20:.1f} MiB more, of {alone / 2**20:.1f} MiB each")


def main() -> None:
    """Print the medians and the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        bench = Bench(Path(name, "app"), Path(name, "uv"))
        bench.folder.mkdir()
        bench.prepare(sys.argv[2:] or REQUIREMENTS)
        bench.first_uses("empty cache", online=True, forgotten=ALL)
        for _ in range(rounds):
            bench.first_uses("new machine", forgotten=ALL)
            bench.first_uses("new command", forgotten=["cache/bundle/envs/starts"])
            bench.first_uses("first use")
            bench.starts()
        bench.sharing()
    medians = {what: statistics.median(found) for what, found in bench.seconds.items() if "unmeasured" not in what}
    least = {what: min(found) for what, found in bench.seconds.items()}
    for what, seconds in medians.items():
        used = statistics.median(bench.processor[what])
        print(f"{what:40} median {seconds * 1000:8.1f} ms   least {least[what] * 1000:8.1f}   cpu {used * 1000:8.1f}")
    for label in ("empty cache", "new machine", "new command", "first use"):
        for peer in ("uv venv + uv pip install", "uv run"):
            ratios = [found[f"{label}: bundle env run"] / found[f"{label}: {peer}"] for found in (medians, least)]
            print(f"{label}: {ratios[0]:.2f} times {peer} (median), {ratios[1]:.2f} (least)")
    for kind, found in (("median", medians), ("least", least)):
        above = found["start: bundle env run"] - found["start: the interpreter"]
        print(f"start: {above * 1000:.1f} ms above the interpreter itself ({kind})")


def _processor() -> float:
    """Return the seconds of the processor that ended programs have taken."""
    used = os.times()
    return used.children_user + used.children_system


def _usage(*folders: Path) -> int:
    """Return the bytes that folders take on the disk, each file once."""
    done = subprocess.run(["du", "-s", "-c", "-B1", *folders], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


if __name__ == "__main__":
    main()
