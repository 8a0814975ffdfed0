"""Environments for tests: as values, and real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bundle
from bundle.model.platforms import PLATFORMS, Floors
from bundle.run.vendored.target import Target
from tests.make.projects import Run


def target(root: Path, *installed: str, **changes: Any) -> Target:
    """Return an environment as a value, with distributions `NAME-VERSION` installed."""
    values: dict[str, Any] = {
        "root": root,
        "exists": bool(installed),
        "interpreter": Path("/usr/bin/python3"),
        "python": "3.12.7",
        "platform": PLATFORMS["linux-x64"],
        "floors": Floors(glibc="2.36"),
        **changes,
    }
    found = Target(**values)
    for one in installed:
        folder = found.site_packages / f"{one}.dist-info"
        folder.mkdir(parents=True)
        name, version = one.split("-")
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return found


def command(*words: str | Path, folder: Path, before: tuple[str, ...] = (), **environ: str) -> Run:
    """Run the command line as a process of its own.

    Args:
        before: words of another program that starts it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "BUNDLE_"))}
    inherited.pop("VIRTUAL_ENV", None)
    # What is cached elsewhere must not help.
    inherited |= {"HOME": str(folder), "BUNDLE_CACHE_DIR": str(folder / "store"), "UV_CACHE_DIR": str(folder / "uv")}
    inherited |= {"PYTHONPATH": str(Path(bundle.__file__).parent.parent), **environ}
    done = subprocess.run(
        [*before, sys.executable, "-m", "bundle", *map(str, words)],
        cwd=folder,
        env=inherited,
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(code=done.returncode, output=done.stdout, errors=done.stderr)


def says(environment: Path, program: str) -> list[str]:
    """Return the lines that a program prints in an environment."""
    done = subprocess.run(
        [environment / "bin" / "python", "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    return done.stdout.splitlines()
