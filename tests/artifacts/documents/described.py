"""A bundle that documents describe."""

from __future__ import annotations

from bundle.model.locks.lock import BuildRequirement, Lock, LockedFile, LockedPackage, Vcs
from bundle.model.manifest import LayerRecord, Manifest, PackageRecord, PythonRecord, SkippedRecord

WHEEL, SDIST, BUILT, COMMIT = "1" * 64, "2" * 64, "3" * 64, "c0ffee" + "0" * 34

MANIFEST = Manifest(
    bundle="0.1.0",
    version="3.12.10-mine",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.1", source="host"),
    interpreter={
        "licences": {"CPython": "PSF-2.0", "libz.so.1": "Zlib", "OpenSSL": "Apache-2.0"},
        "libraries": [{"name": "libz.so.1", "version": "1.2.13", "licence": "NOASSERTION"}],
    },
    lock="a" * 64,
    layers=(
        LayerRecord(digest="d" * 64, kind="interpreter", name="python", version="3.12.1", size=1),
        LayerRecord(digest="e" * 64, kind="wheel", name="flask", version="3.0", size=1),
    ),
    packages=(
        PackageRecord(
            name="flask",
            version="3.0",
            decision="wheel",
            reason="a compatible wheel",
            required_by=("",),
            file="flask-3.0-py3-none-any.whl",
            sha256=WHEEL,
        ),
        PackageRecord(
            name="sourced",
            version="2.0",
            decision="source",
            reason="no compatible wheel",
            required_by=("flask",),
            file="sourced-2.0.tar.gz",
            sha256=SDIST,
            wheel=BUILT,
            isolation="bubblewrap",
        ),
        PackageRecord(
            name="tracked",
            version="1.0",
            decision="source",
            reason="a commit",
            required_by=("flask", ""),
            repository="https://git.example/tracked",
            commit=COMMIT,
            wheel="4" * 64,
        ),
    ),
    skipped=(SkippedRecord(name="nvidia-nccl", reason="no GPU", required_by=("flask",)),),
)

LOCK = Lock(
    version="3.12.10-mine",
    platform="linux-x64",
    python="3.12.1",
    inputs="a" * 64,
    packages=(
        LockedPackage(
            name="flask",
            version="3.0",
            kind="wheel",
            file=LockedFile(name="flask-3.0-py3-none-any.whl", sha256=WHEEL, size=1),
            reason="a compatible wheel",
            required_by=("",),
        ),
        LockedPackage(
            name="sourced",
            version="2.0",
            kind="source",
            file=LockedFile(name="sourced-2.0.tar.gz", sha256=SDIST, size=1),
            reason="no compatible wheel",
            required_by=("flask",),
            build=(
                BuildRequirement(
                    name="hatchling",
                    version="1.27",
                    file=LockedFile(name="hatchling-1.27-py3-none-any.whl", sha256="5" * 64, size=1),
                ),
            ),
        ),
        LockedPackage(
            name="tracked",
            version="1.0",
            kind="source",
            file=None,
            reason="a commit",
            required_by=("flask", ""),
            vcs=Vcs(url="https://git.example/tracked", requested="main", commit=COMMIT),
        ),
    ),
)
