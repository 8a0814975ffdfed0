"""Folders of the user's own as source archives in the cache: the same content gives the same archive."""

from __future__ import annotations

import os
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.context import Context
from bundle.base.errors import IntegrityError
from bundle.base.files import sha256_of
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage
from bundle.model.own_folder import own_files

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store

_EPOCH = 315532800
"""1980-01-01, which every archive format can hold."""


def pack_folder(name: str, folder: Path, store: Store) -> LockedFile:
    """Put a folder's files into the cache as one archive, and return it.

    Args:
        name: the package's, normalised.

    Raises:
        ConfigError: there is no such folder, it is no Python project, or it has too many files.
    """
    filename = f"{name}.tar"
    with store.work() as work:
        packed = work / filename
        with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in own_files(folder):
                _add(tar, folder / path, f"{name}/{path}")
        sha256 = sha256_of(packed)
        file = LockedFile(name=filename, sha256=sha256, size=packed.stat().st_size)
        if store.files.get(sha256) is None:
            store.files.add(packed, sha256=sha256)
    return file


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.mtime = _EPOCH
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(entry)
        return
    with path.open("rb") as content:
        status = os.fstat(content.fileno())
        entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        tar.addfile(entry, content)


def with_folders(lock: Lock, config: Config, context: Context) -> Lock:
    """Return a lock in which the packages that come from folders have these as they are now.

    Raises:
        ConfigError: a folder is gone.
        IntegrityError: the lock takes a package from a folder that the configuration does not name.
    """

    def packed(package: LockedPackage) -> LockedPackage:
        if not package.folder:
            return package
        folder = config.packages_for(lock.platform).folders.get(package.name)
        if folder is None:
            raise IntegrityError(
                f"The lock takes {package.name} from a folder, which the configuration does not name.",
                cause="It is forged, or belongs to another configuration.",
                remedy=f"Lock again; if you trust the folder, add {package.name} with it to packages.dependencies.",
            )
        return replace(package, file=pack_folder(package.name, folder, context.store))

    if not any(package.folder for package in lock.packages):
        return lock
    return replace(lock, packages=tuple(map(packed, lock.packages)))
