"""Roots of old and of bare Linux systems, and the start of a bundle in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bundle.base.errors import NetworkError
from bundle.base.processes.run import Completed, run
from bundle.model.platforms import Platform
from tests.foreign import debian
from tests.foreign.bundles import found, program
from tests.foreign.cache import cache_folder

PLACE = "/elsewhere"
"""Where a bundle stands in another system."""

_C_LIBRARY = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")


def system(suite: str, *names: str) -> Path:
    """Return a root with a few packages of a release of Debian for this machine; not to be changed."""
    folder = cache_folder() / "systems" / f"{suite}-{'-'.join(names)}"
    if not folder.is_dir():
        staging = folder.with_name(f".{folder.name}")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            debian.unpack(names, "amd64", staging, suite)
        except (NetworkError, LookupError) as error:
            return found(None, f"no system of {suite}: {error}")
        for name in ("bin", "lib", "lib64"):
            if not os.path.lexists(staging / name) and (staging / "usr" / name).is_dir():
                (staging / name).symlink_to(f"usr/{name}")
        staging.rename(folder)
    return folder


def only_the_c_library(system: Path, platform: Platform, root: Path) -> Path:
    """Make a root with the C library of a system, and nothing else."""
    loader = Path(platform.loaders[0]).relative_to("/")
    for name in (*(Path("lib", platform.multiarch, library) for library in _C_LIBRARY), loader):
        source = _resolved(system, name)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found(source if source.is_file() else None, f"no {source}"), root / name)
    (root / loader).chmod(0o755)
    return root


def _resolved(system: Path, name: Path) -> Path:
    """Return the file that a path inside a system leads to; its absolute links are meant from its own root."""
    path = system / name
    while path.is_symlink():
        target = path.readlink()
        path = system / target.relative_to("/") if target.is_absolute() else path.parent / target
    return path


def run_elsewhere(root: Path, bundle: Path, command: Sequence[str]) -> Completed:
    """Run a program of a bundle in another system: at another place, read-only, as another user, without HOME."""
    bwrap = program("bwrap", "bubblewrap")
    shown = [part for path in sorted(root.iterdir()) for part in ("--ro-bind", path, f"/{path.name}")]
    view = (*shown, "--ro-bind", bundle, PLACE, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/")
    user = ("--unshare-user", "--unshare-net", "--uid", "65534", "--gid", "65534", "--clearenv")
    return run([bwrap, *view, *user, "--chdir", "/", *command], timeout=300)
