"""Where what was prepared is kept from one test run to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock
from platformdirs import user_cache_path

from bundle.base.folders import remove_tree

VARIABLE = "BUNDLE_TEST_CACHE"


def cache_folder() -> Path:
    """Return the folder that `BUNDLE_TEST_CACHE` names, else one in the user's cache."""
    named = os.environ.get(VARIABLE)
    folder = Path(named).absolute() if named else user_cache_path("bundle-tests", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """Return a file or folder of the cache, made first if it is not there.

    Args:
        name: relative to the cache; says everything that shapes the content.
        make: makes it at the path that it is given.
    """
    target = cache_folder() / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".making-{target.name}")
    # Several test processes may want the same at the same time.
    with filelock.FileLock(f"{staging}.lock"):
        if not target.exists():
            remove_tree(staging)
            make(staging)
            staging.rename(target)
    return target
