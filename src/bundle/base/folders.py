"""Walks over folders."""

from __future__ import annotations

import os
from pathlib import Path


def listing(root: Path) -> dict[str, os.stat_result]:
    """Return everything below a folder by its path relative to it, with `/`, in no certain order; follows no links."""
    found: dict[str, os.stat_result] = {}
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                path = prefix + entry.name
                found[path] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
    return found
