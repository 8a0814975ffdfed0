"""A new project in a folder: its configuration, one version, a README, and CI for the five platforms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from packaging.requirements import Requirement

import bundle
from bundle.base.errors import ConfigError
from bundle.base.files import pretty_json, read_regular
from bundle.base.staging import staged_folder, write_atomically
from bundle.make.inputs.inputs import Inputs
from bundle.model.config.json_source import Array, Leaf, at, plain
from bundle.model.config.project import SHARED, Project
from bundle.model.platforms import PLATFORMS

WORKFLOW = ".github/workflows/bundles.yml"

_IGNORED = ("pydist/", ".bundle-cache/", "*.log")

RUNNERS: Mapping[str, str] = {
    "linux-x64": "ubuntu-24.04",
    "linux-aarch64": "ubuntu-24.04-arm",
    "macosx-x64": "macos-15-intel",
    "macosx-aarch64": "macos-15",
    "windows-x64": "windows-2025",
}
"""GitHub's machines of each platform."""

_README = """\
# {title}

Portable Python runtimes, made by `bundle` (bundle-toolchain on PyPI). `versions/{version}/config.json` says what
goes in, and its locks pin every file; `shared-config.json` holds for all versions.

    pip install bundle-toolchain
    bundle check                # all mistakes of the configuration at once
    bundle lock {version}       # after each change; commit the locks
    bundle build {version}      # makes pydist/{version}/, and an archive beside it
    bundle new X.Y.Z-NAME       # starts a further version
"""

_WORKFLOW = """\
name: bundles

on: [push, pull_request]

permissions:
  contents: read

jobs:
  bundle:
    strategy:
      fail-fast: false
      matrix:
        include:
{rows}
    runs-on: ${{{{ matrix.runner }}}}
    env:
      BUNDLE_CACHE_DIR: ${{{{ github.workspace }}}}/.bundle-cache
    steps:
      - uses: actions/checkout@v4.2.2
      - uses: actions/setup-python@v5.6.0
        with:
          python-version: "3.13"
      - uses: actions/cache@v4.2.3
        with:
          path: .bundle-cache
          key: bundle-${{{{ matrix.platform }}}}-${{{{ hashFiles('shared-config.json', 'versions/**') }}}}
          restore-keys: bundle-${{{{ matrix.platform }}}}-
      - run: python -m pip install bundle-toolchain=={release}
      # With the locks committed, add --locked: then a stale one fails here.
      - run: bundle build --all --platform ${{{{ matrix.platform }}}}
      - uses: actions/upload-artifact@v4.6.2
        with:
          name: bundles-${{{{ matrix.platform }}}}
          path: pydist/*.tar.zst
"""


def start_project(root: Path, version: str, inputs: Inputs | None) -> list[Path]:
    """Make a project; files that are there stay, but for lines that .gitignore lacks.

    Args:
        root: its folder; made if absent.
        version: the first version.
        inputs: what it asks for; None for an empty version.

    Returns:
        The files that were written.

    Raises:
        ConfigError: there is a project, or the version, already.
    """
    project = Project(root)
    folder = project.folder(version)
    for there in (root / SHARED, folder):
        if os.path.lexists(there):
            raise ConfigError(
                f"{there} exists already.",
                remedy=f"Name another folder, or start a version in that project: `bundle new {version}`.",
            )
    config = {"platforms": list(PLATFORMS), **(configuration(inputs, folder) if inputs else {"packages": {}})}
    rows = "\n".join(f"          - {{platform: {key}, runner: {RUNNERS[key]}}}" for key in PLATFORMS)
    texts = {
        "README.md": _README.format(title=root.name, version=version),
        WORKFLOW: _WORKFLOW.format(rows=rows, release=bundle.__version__),
    }
    with staged_folder(folder) as staging:
        (staging / "config.json").write_text(pretty_json(config), encoding="utf-8")
    written = [folder / "config.json", *_ignore(root / ".gitignore")]
    for name, text in texts.items():
        if not os.path.lexists(root / name):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(root / name, text)
            written.append(root / name)
    write_atomically(root / SHARED, pretty_json({}))  # Last, as it makes the folder a project.
    return [root / SHARED, *written]


def configuration(inputs: Inputs, folder: Path) -> dict[str, Any]:
    """Return what inputs ask for as the configuration of a version in a folder."""
    value: dict[str, Any] = plain(inputs.table)
    packages = value["packages"]
    packages["dependencies"] = [_moved_requirement(one, inputs, folder) for one in _leaves(inputs, "dependencies")]
    if "wheels" in packages:
        packages["wheels"] = [_moved(str(one.value), one, inputs, folder) for one in _leaves(inputs, "wheels")]
    return value


def _leaves(inputs: Inputs, key: str) -> list[Leaf]:
    found = at(inputs.table, ("packages", key))
    return [one for one in found if isinstance(one, Leaf)] if isinstance(found, Array) else []


def _moved_requirement(leaf: Leaf, inputs: Inputs, folder: Path) -> str:
    """Return a requirement whose path, if it has one, is relative to the version's folder."""
    requirement = Requirement(str(leaf.value))
    if requirement.url is None or urlsplit(requirement.url).scheme:
        return str(leaf.value)
    requirement.url = quote(_moved(unquote(requirement.url), leaf, inputs, folder))
    return str(requirement)


def _moved(path: str, leaf: Leaf, inputs: Inputs, folder: Path) -> str:
    base = (inputs.root / leaf.origin.file).parent
    return Path(os.path.relpath(base / path, folder)).as_posix()


def _ignore(path: Path) -> list[Path]:
    """Add to a .gitignore what it lacks."""
    before = read_regular(path).decode(errors="surrogateescape") if path.is_file() else ""
    missing = [line for line in _IGNORED if line not in before.splitlines()]
    if not missing:
        return []
    gap = "" if before.endswith("\n") or not before else "\n"
    text = "".join((before, gap, *(f"{line}\n" for line in missing)))
    write_atomically(path, text.encode(errors="surrogateescape"))
    return [path]
