"""Small locks of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage, SkippedPackage
from bundle.model.locks.pylock import write_lock


def lock_of(root: Path, version: str, platform: str, *names: str, skipped: Sequence[str] = ()) -> None:
    """Write a lock that has version 1.0 of some packages, and leaves others out."""
    packages = tuple(
        LockedPackage(
            name=name,
            version="1.0",
            kind="wheel",
            file=LockedFile(name=f"{name.replace('-', '_')}-1.0-py3-none-any.whl", sha256="0" * 64, size=1),
            reason="a wheel fits",
            required_by=("",),
        )
        for name in names
    )
    left_out = tuple(SkippedPackage(name=name, reason="r", required_by=("",), kind="skipped") for name in skipped)
    lock = Lock(
        version=version, platform=platform, python="3.12.10", inputs="0" * 64, packages=packages, skipped=left_out
    )
    write_lock(lock, Project(root).lock_path(version, platform))
