"""What the catalogue says of a bundle that was built."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.artifacts.catalogue_entry import (
    ArchiveRecord,
    Entry,
    LayerRecord,
    PackageRecord,
    PythonRecord,
    SkippedRecord,
)
from bundle.artifacts.store.bundle_archive import PackedArchive
from bundle.artifacts.store.layers import Conflict, Layer
from bundle.make.assemble.manifest import bundle_digest
from bundle.make.interpreter.prepare import Interpreter
from bundle.model.locks.lock import Lock, LockedPackage


def catalogue_entry(
    *,
    lock: Lock,
    interpreter: Interpreter,
    layers: Sequence[Layer],
    conflicts: Sequence[Conflict],
    folder: Path,
    archives: Sequence[PackedArchive],
    root: Path,
    floor: Mapping[str, str],
) -> Entry:
    """Return the entry of a bundle.

    Args:
        lock: its packages, and what was left out.
        interpreter: what it runs on.
        layers: all of them, in order.
        conflicts: paths that two layers hold with different bytes.
        folder: where it stands.
        archives: what was packed of it.
        root: the folder that paths in the catalogue are relative to.
        floor: the oldest system that it runs on, measured.
    """
    choice = interpreter.choice
    return Entry(
        version=lock.version,
        platform=lock.platform,
        path=_relative(folder, root),
        digest=bundle_digest(layers),
        size=sum(layer.size for layer in layers),
        python=PythonRecord(requested=choice.requested, actual=choice.offer.python, source=choice.offer.source),
        archives=tuple(
            ArchiveRecord(
                format=archive.path.name.removeprefix(f"{lock.version}-{lock.platform}."),
                path=_relative(archive.path, root),
                sha256=archive.sha256,
                size=archive.size,
            )
            for archive in archives
        ),
        layers=tuple(LayerRecord.of(layer) for layer in layers),
        packages=tuple(_package(package) for package in lock.packages),
        skipped=tuple(
            SkippedRecord(
                name=skipped.name,
                kind=skipped.kind,
                reason=skipped.reason,
                required_by=skipped.required_by,
                available=skipped.available,
            )
            for skipped in lock.skipped
        ),
        conflicts=tuple(conflicts),
        floor=floor,
    )


def _package(package: LockedPackage) -> PackageRecord:
    return PackageRecord(
        name=package.name,
        version=package.version,
        decision=package.kind,
        reason=package.reason,
        file=package.file.name if package.file else f"commit {package.key}",
        sha256=package.file.sha256 if package.file else "",
        required_by=package.required_by,
    )


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
