"""A project with fresh locks."""

from __future__ import annotations

from pathlib import Path

from bundle.model.config.project import Project
from bundle.model.locks.lock import input_checksum
from bundle.model.locks.pylock import write_lock
from tests.model.configs import write_project
from tests.model.locks.graphs import PACKAGES, lock_of

VERSION = "3.12.10-x"


def locked_project(folder: Path) -> Path:
    """Write a project that asks for `app` and `tool`, with locks for two platforms."""
    own = {"platforms": ["linux-x64", "windows-x64"], "packages": {"dependencies": ["app>=1", "tool"]}}
    root = write_project(folder, {}, **{VERSION: own})
    project = Project(root)
    config = project.load(VERSION, {}).config
    for platform in config.platforms:
        packages = PACKAGES if platform == "linux-x64" else PACKAGES[:3]
        bare = lock_of(packages, platform=platform)
        inputs = input_checksum(config, platform, bare.names)
        write_lock(lock_of(packages, platform=platform, inputs=inputs), project.lock_path(VERSION, platform))
    return root
