"""Catalogue entries for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bundle.artifacts.catalogue_entry import (
    ArchiveRecord,
    Entry,
    PackageRecord,
)
from bundle.base.files import sha256_of
from bundle.model.manifest import Conflict, LayerRecord, PythonRecord, SkippedRecord


def bundle(version: str = "3.12.10-atls", platform: str = "linux-x64") -> Entry:
    """One entry that has something of everything."""
    return Entry(
        version=version,
        platform=platform,
        path=f"pydist/{version}/{platform}",
        digest="d" * 64,
        size=440_000_000,
        python=PythonRecord(requested="3.12.10", actual="3.12.1", source="host"),
        archives=(
            ArchiveRecord(
                format="tar.zst", path=f"pydist/{version}-{platform}.tar.zst", sha256="a" * 64, size=140_000_000
            ),
        ),
        layers=(
            LayerRecord(digest="1" * 64, kind="interpreter", name="cpython", version="3.12.1", size=44_000_000),
            LayerRecord(digest="2" * 64, kind="wheel", name="numpy", version="2.2.6", size=60_000_000),
        ),
        packages=(
            PackageRecord(
                name="numpy",
                version="2.2.6",
                decision="wheel",
                reason="a compatible wheel exists",
                file="numpy-2.2.6-cp312-cp312-manylinux_2_17_x86_64.whl",
                sha256="b" * 64,
                required_by=("", "scipy"),
            ),
        ),
        skipped=(
            SkippedRecord(name="cuda-toolkit", kind="skipped", reason="no GPU there", required_by=("openmm",)),
            SkippedRecord(
                name="parasail",
                kind="missing",
                reason="no wheel fits",
                required_by=("",),
                available=("parasail-1.3.4-py3-none-win_amd64.whl",),
            ),
        ),
        conflicts=(Conflict(path="bin/f2py", kept="numpy", lost="cpython"),),
        floor={"glibc": "2.28"},
    )


def with_archive(entry: Entry, archive: Path, name: str) -> Entry:
    """The same entry, but for a real archive."""
    record = ArchiveRecord(format="tar.zst", path=name, sha256=sha256_of(archive), size=archive.stat().st_size)
    return dataclasses.replace(entry, archives=(record,))
