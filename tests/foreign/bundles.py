"""Small, real bundles for platforms that this machine is not."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.source import Offer, Request, Tools
from bundle.artifacts.store.store import Store
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import NetworkError
from bundle.base.report import Reporter
from bundle.model import revisions
from bundle.model.config.config import ArchiveSpec, Interpreter
from bundle.model.platforms import PLATFORMS, Floors
from tests.foreign.cache import kept
from tests.foreign.downloads import downloader, project_file
from tests.foreign.pythons import foreign_python

_T = TypeVar("_T")

NUMPY = "2.1.3"
"""The newest that imports under Wine 8."""


def program(name: str, packages: str) -> str:
    """Return a program's path; without it the test is skipped, and fails where CI is set.

    Args:
        name: of the program.
        packages: Debian's that have it.
    """
    return found(shutil.which(name), f"{name} is not installed (Debian: {packages})")


def found(value: _T | None, reason: str) -> _T:
    """Return what is there; else the test is skipped, and fails where CI is set."""
    if value is not None:
        return value
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def foreign_wheel(project: str, version: str, key: str, python: str) -> Path:
    """Return a wheel of the registry for a platform.

    Args:
        project: its normalised name.
        version: of the project.
        key: the platform's.
        python: the interpreter's version.
    """
    fits = {str(tag) for tag in PLATFORMS[key].tags(python, Floors())}

    def wanted(name: str) -> bool:
        match = re.fullmatch(rf"{re.escape(project.replace('-', '_'))}-{re.escape(version)}-(.*)\.whl", name)
        if match is None:
            return False
        interpreters, abis, platforms = (part.split(".") for part in match[1].split("-"))
        return any(f"{i}-{a}-{p}" in fits for i in interpreters for a in abis for p in platforms)

    try:
        return project_file(project, wanted)
    except (NetworkError, LookupError) as error:
        return found(None, f"no wheel of {project} {version} for {key}: {error}")


def foreign_tree(key: str) -> tuple[Path, str]:
    """Return a finished interpreter for a platform, not to be changed, and its version; made once."""
    prepared = foreign_python(key)

    def make(target: Path) -> None:
        scratch = target.with_name("scratch")
        scratch.mkdir(exist_ok=True)
        target.mkdir()
        source = Archive(ArchiveSpec(sha256=prepared.sha256, path=prepared.path))
        request = Request(
            python=prepared.python, platform=PLATFORMS[key], config=Interpreter(), machine=None, environ={}
        )
        offer = next(answer for answer in source.offers(request) if isinstance(answer, Offer))
        tools = Tools(
            downloader=downloader(),
            files=Store(scratch / "store", reporter=Reporter()).files,
            reporter=Reporter(),
            work=scratch,
        )
        source.make(offer, request, target, tools)
        shutil.rmtree(scratch)

    return kept(f"trees/{prepared.sha256[:16]}-{revisions.INTERPRETER}/python", make), prepared.python


def foreign_bundle(key: str, root: Path, wheels: Iterable[Path]) -> Path:
    """Make a bundle.

    Args:
        key: the platform's.
        root: an absent folder.
        wheels: what is installed, besides the interpreter.
    """
    tree, python = foreign_tree(key)
    shutil.copytree(tree, root, symlinks=True)
    for wheel in wheels:
        lay_out(wheel, root, platform=PLATFORMS[key], python=python)
    manifest = {
        "version": python,
        "platform": key,
        "python": {"requested": python, "actual": python, "source": "archive"},
    }
    (root / "bundle.json").write_text(json.dumps(manifest))
    return root
