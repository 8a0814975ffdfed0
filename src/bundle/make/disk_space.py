"""The disk space that a build takes, told and compared with what is free before packages are downloaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.filesize import decimal

from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import WorkError
from bundle.base.reflink import shares_blocks
from bundle.base.report import Reporter
from bundle.make.build_request import BuildRequest
from bundle.make.package_set import PackageSet
from bundle.model.locks.lock import LockedFile

_USUAL = 2.5
"""Bytes of installed files for each byte of their wheels, as a rule."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The bytes of a build's parts that are known before it begins."""

    downloads: int
    """Files that are still to come."""
    wheels: int
    """Wheels whose layers are still to be made."""
    layers: int
    """Files in the layers that the store has."""

    def unpacked(self, factor: float) -> tuple[int, int]:
        """Return the size of the layers to be made, and that of the whole bundle.

        Args:
            factor: bytes of installed files for each byte of a wheel.
        """
        made = int(self.wheels * factor)
        return made, made + self.layers


_INTERPRETER = 40_000_000
"""Bytes of an interpreter that is not made yet; few are smaller."""


@dataclass(frozen=True)
class _Place:
    name: str
    folder: Path
    way: str
    """What to do where it is too small."""


def sizes_of(sets: Sequence[PackageSet], store: Store, interpreter: Layer | None, *, unpacks: bool) -> Sizes:
    """Return the sizes of a build from its locks and the layers that there are.

    Args:
        interpreter: None if it is not made yet.
        unpacks: whether the wheels are installed.
    """
    files: dict[str, LockedFile] = {}
    wheels: dict[str, int] = {}
    known = {interpreter.digest: interpreter.size} if interpreter else {"": _INTERPRETER}
    for one in sets:
        lock = replace(one.lock, packages=tuple(one.wanted))
        files |= {file.sha256: file for file in lock.files}
        known |= {layer.digest: layer.size for layer in one.known.values()}
        for package in one.wanted if unpacks else ():
            if package.kind == "wheel" and package.file is not None and package.name not in one.known:
                wheels[package.key] = package.file.size
    return Sizes(downloads=lacking(files.values(), store), wheels=sum(wheels.values()), layers=sum(known.values()))


def lacking(files: Iterable[LockedFile], store: Store) -> int:
    """Return the bytes of the files that are not in the store; those that are there are not read."""
    return sum(file.size for file in files if not store.files.path_for(file.sha256, file.name).is_file())


def require_space(request: BuildRequest, store: Store, sizes: Sizes, reporter: Reporter) -> None:
    """Tell what a build takes and what is free, warn if that may not suffice, and refuse what is sure not to fit.

    Sure is what the lock tells: the downloads, and that installed wheels are no smaller than the wheels. A copy of the
    bundle for its verification and the archives are only expected.

    Raises:
        WorkError: it does not fit.
    """
    places = (
        _Place("the store", store.root, "move the store (BUNDLE_CACHE_DIR), or shrink it (`bundle cache prune`)"),
        _Place("the results", request.output, "name another folder for the results (--output)"),
    )
    for place in places:
        place.folder.mkdir(parents=True, exist_ok=True)
    layers, bundle = sizes.unpacked(_USUAL)
    temporary = Path(tempfile.gettempdir())
    free = [(one.name, one.folder) for one in places] + [("temporary files", temporary)]
    told = ", ".join(f"{decimal(shutil.disk_usage(folder).free)} for {name}" for name, folder in free)
    reporter.info(
        f"to download: {decimal(sizes.downloads)}, layers to make: about {decimal(layers)}, "
        f"bundle: about {decimal(bundle)}; free: {told}"
    )
    shared = shares_blocks(store.root, request.output)
    layers, bundle = sizes.unpacked(1)
    for names, room, needed, folder in _too_small(places, (sizes.downloads + layers, 0 if shared else bundle)):
        raise WorkError(
            f"{request.name} does not fit on the disk of {names}: it needs at least {decimal(needed)}, and "
            f"{decimal(room)} are free in {folder}.",
            cause="The lock tells the sizes of the wheels; installed, they are no smaller.",
            remedy=f"Free some space there, {' or '.join(one.way for one in places if one.name in names)}.",
        )
    layers, bundle = sizes.unpacked(_USUAL)
    archives = sizes.wheels * len(request.archives)
    copies = 0 if shared else bundle
    expected = (sizes.downloads + layers + archives + (copies if request.verify else 0), copies + archives)
    for names, room, needed, folder in _too_small(places, expected):
        reporter.warning(
            f"The disk of {names} may become full: {request.name} takes about {decimal(needed)} there while it is "
            f"built, and {decimal(room)} are free in {folder}."
        )


def _too_small(places: Iterable[_Place], needs: Iterable[int]) -> list[tuple[str, int, int, Path]]:
    """Return the names, the free and the needed bytes of each disk that is too small, and one of its folders."""
    disks: dict[int, list[tuple[_Place, int]]] = {}
    for place, need in zip(places, needs, strict=True):
        disks.setdefault(place.folder.stat().st_dev, []).append((place, need))
    found = []
    for here in disks.values():
        room = shutil.disk_usage(here[0][0].folder).free
        needed = sum(need for _, need in here)
        if needed > room:
            found.append((" and ".join(place.name for place, _ in here), room, needed, here[0][0].folder))
    return found
