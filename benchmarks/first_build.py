"""A first build with empty caches, a rebuild, an unchanged build and five locks, against uv plus tar in the same run.

Run it from the repository: `.venv/bin/python -m benchmarks.first_build [VERSION] [--rounds N] [--archive]`. With
--archive the interpreter comes from an archive, as that of a release does, instead of being made portable; the archive
is made of this machine's interpreter before the first round. Both sides take turns, so that a machine whose speed
drifts treats both alike. The bundle's side makes more: it holds an interpreter, and is verified. It runs from an
environment as its users make one, without the packages of developers: one of these takes a second and a half to
import. Cold: both caches are empty, the operating system's is not.

Each task writes to new folders, and nothing is removed before the last: ext4 creates files up to ten times slower for
some minutes after a removal, since it searches for inodes that were not freed lately, and neither a machine of CI nor
a newcomer removes anything first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from packaging.pylock import Pylock
from uv import find_uv_bin

from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS

ROOT = Path(__file__).resolve().parent.parent
EMPTY = "3.12.10-empty"
NEWER_GLIBC = {"rule": "glibc-above-floor", "files": "*", "package": "python", "reason": "made on this machine"}
"""Of an archive, unlike of a host interpreter, it is expected that it runs on old systems."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One version in a project and caches of its own."""

    version: str
    folder: Path
    caches: Path
    python: Path
    """The interpreter of the tool's environment."""
    interpreter: Path | None = None
    """The archive of the bundle's interpreter; None takes what the configuration says."""

    @property
    def project(self) -> Path:
        """A copy of the project with this version alone."""
        return self.folder / "project"

    @property
    def versions(self) -> Path:
        """The version's folder."""
        return self.project / "versions" / self.version

    def prepare(self) -> Self:
        """Copy what the version needs."""
        self.project.mkdir(parents=True)
        shutil.copy(ROOT / "shared-config.json", self.project)
        shutil.copytree(ROOT / "versions" / self.version, self.versions)
        if self.interpreter:
            path = self.project / "shared-config.json"
            config = json.loads(path.read_text())
            config.setdefault("verify", {}).setdefault("accept", []).append(NEWER_GLIBC)
            path.write_text(json.dumps(config))
        return self

    def bundle(self, command: str, *options: str) -> float:
        """Run `bundle`; return the seconds."""
        store = {"BUNDLE_CACHE_DIR": str(self.caches / "store")}
        run = ("-m", "bundle", "--project", str(self.project), command, *options)
        return timed(self.python, *run, environment=store)[0]

    def build(self, *options: str) -> float:
        """Build the version; return the seconds."""
        source = ("--interpreter", str(self.interpreter)) if self.interpreter else ()
        return self.bundle("build", self.version, "--locked", *source, *options)

    def lock(self) -> float:
        """Lock five platforms from nothing; return the seconds."""
        for lock in self.versions.glob("pylock.*"):
            lock.unlink()
        return self.bundle("lock", self.version)

    def uv_and_tar(self) -> float:
        """Install and pack the same packages with uv and tar; return the seconds."""
        return sum(install_and_pack(self.version, self.folder, cache=self.caches / "uv"))

    def uv_locks(self) -> float:
        """Resolve the same packages with uv for each platform; return the seconds."""
        requirements = self.folder / "locked.in"
        loaded = Project(self.project).load(self.version, os.environ)
        python = ".".join(self.version.split("-")[0].split(".")[:2])
        requirements.write_text("\n".join(loaded.config.packages_for("linux-x64").dependencies))
        platforms = [platform.uv for platform in PLATFORMS.values()]
        return compile_locks(requirements, platforms, cache=self.caches / "uv", python=python)


def main() -> None:
    """Print every round and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", nargs="?", default="3.12.10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--archive", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print("seconds of bundle / seconds of the others; `unchanged` stands beside `bundle --version`")
        python = installed(Path(name, "tool"))
        interpreter = archived(Path(name, "archived"), python) if asked.archive else None
        measured: dict[str, list[tuple[float, float]]] = {}
        for number in range(1, asked.rounds + 1):
            for task, (ours, theirs) in tasks(asked.version, Path(name, str(number)), python, interpreter).items():
                here, there = ours(), theirs()
                measured.setdefault(task, []).append((here, there))
                print(f"round {number}: {task:18} {here:6.2f} / {there:6.2f} = {here / there:5.2f}", flush=True)
        for task, pairs in measured.items():
            ratio = statistics.median(here / there for here, there in pairs)
            more = statistics.median(here - there for here, there in pairs)
            print(f"median:  {task:18} ratio {ratio:5.2f}, difference {more:6.2f} s")


def installed(folder: Path) -> Path:
    """Install the tool as its users do, into an environment of its own; return the environment's interpreter."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = (find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", python)
    timed(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, folder)
    timed(*install, "--require-hashes", "--requirements", ROOT / "scripts" / "requirements.txt")
    timed(*install, "--no-deps", ROOT)
    return python


def archived(folder: Path, python: Path) -> Path:
    """Return an archive of the interpreter that a bundle without packages has.

    Args:
        folder: for all files; must not exist.
        python: of the environment that the tool is installed in.
    """
    bench = Bench(version=EMPTY, folder=folder, caches=folder, python=python).prepare()
    bench.build("--no-verify")
    (prefix,) = (bench.project / "pydist" / EMPTY).glob("*/bin")
    archive = folder / "cpython.tar.gz"
    folders = [name for name in ("bin", "include", "lib", "share") if (prefix.parent / name).exists()]
    timed("tar", "-czf", archive, "--transform=s,^,python/,S", "-C", prefix.parent, *folders)
    return archive


def tasks(
    version: str, folder: Path, python: Path, interpreter: Path | None
) -> dict[str, tuple[Callable[[], float], Callable[[], float]]]:
    """Return the tasks of one round, for both sides, in their order.

    Args:
        folder: for all files of the round; must not exist.
        python: of the environment that the tool is installed in.
        interpreter: the archive of the bundles' interpreter; None takes what the configuration says.
    """
    cold, warm, unverified, locks = (
        Bench(
            version=version, folder=folder / task, caches=folder / caches, python=python, interpreter=interpreter
        ).prepare()
        for task, caches in (("cold", "cold"), ("warm", "cold"), ("unverified", "unverified"), ("locks", "locks"))
    )
    return {
        "cold, verified": (cold.build, cold.uv_and_tar),
        "warm": (warm.build, warm.uv_and_tar),
        "unchanged": (warm.build, lambda: warm.bundle("--version")),
        "cold, --no-verify": (lambda: unverified.build("--no-verify"), unverified.uv_and_tar),
        "five locks, cold": (locks.lock, locks.uv_locks),
    }


def timed(*command: str | Path, environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run a command; return its seconds and its output.

    Args:
        environment: further variables. Without PYTHONDONTWRITEBYTECODE, which users do not set.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**variables, **(environment or {})}
    )
    seconds = time.perf_counter() - started
    if result.returncode:
        sys.exit(f"{command[0]} failed:\n{result.stdout}{result.stderr}")
    return seconds, result.stdout


def pins(version: str) -> str:
    """Return the packages of a version's lock for linux-x64 as a requirements file."""
    lock = Pylock.from_dict(tomllib.loads((ROOT / "versions" / version / "pylock.linux-x64.toml").read_text()))
    return "".join(f"{package.name}=={package.version}\n" for package in lock.packages)


def install_and_pack(version: str, folder: Path, *, cache: Path) -> tuple[float, float]:
    """Install a version's packages with `uv pip install --target`, pack them with `tar --zstd`; return the seconds.

    Args:
        folder: for the results.
        cache: for uv.
    """
    requirements, target, archive = (folder / name for name in ("requirements.txt", "target", "target.tar.zst"))
    requirements.write_text(pins(version))
    python = ".".join(version.split("-")[0].split(".")[:2])
    install, _ = timed(
        *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python-version", python),
        *("--only-binary", ":all:", "--target", target, "--requirements", requirements),
        environment={"UV_CACHE_DIR": str(cache)},
    )
    pack, _ = timed("tar", "--zstd", "-cf", archive, "-C", target, ".")
    return install, pack


def compile_locks(requirements: Path, platforms: Iterable[str], *, cache: Path, python: str) -> float:
    """Resolve a requirements file for each platform with `uv pip compile`; return the seconds.

    Args:
        platforms: uv's names of them.
        cache: for uv, empty.
    """
    seconds = 0.0
    for platform in platforms:
        seconds += timed(
            *(find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--python-version", python),
            *("--python-platform", platform, requirements, "--output-file", requirements.with_suffix(".lock")),
            environment={"UV_CACHE_DIR": str(cache)},
        )[0]
    return seconds


if __name__ == "__main__":
    main()
