"""A lock that has a package of each kind."""

from __future__ import annotations

import hashlib
from typing import Any

import tomli_w

from bundle.base.files import canonical_json
from bundle.model.locks.lock import BuildRequirement, Lock, LockedFile, LockedPackage, SkippedPackage, Vcs


def file(name: str) -> LockedFile:
    return LockedFile(name=name, sha256="a" * 64, size=1)


PLAIN: dict[str, Any] = {"version": "1.0", "reason": "", "required_by": ("",)}
WHEEL = LockedPackage(name="numpy", kind="wheel", file=file("numpy-1.0-py3-none-any.whl"), **PLAIN)
HELPER = BuildRequirement(name="helper", version="2.0", file=file("helper-2.0-py3-none-any.whl"))
SDIST = LockedPackage(name="demo", kind="source", file=file("demo-1.0.tar.gz"), build=(HELPER,), **PLAIN)
DIRECT = LockedPackage(name="own", kind="source", file=file("v1.zip"), direct=True, **PLAIN)
COMMIT = LockedPackage(
    name="tool",
    kind="source",
    file=None,
    vcs=Vcs(url="https://code.example/tool.git", requested="v1", commit="b" * 40, subdirectory="src"),
    **PLAIN,
)
LOCK = Lock(
    version="3.12.10",
    platform="linux-x64",
    python="3.12.10",
    inputs="c" * 64,
    packages=(WHEEL, SDIST, DIRECT, COMMIT),
    skipped=(SkippedPackage(name="gone", version="1.0", reason="", required_by=("",), kind="missing"),),
)


def sealed(document: dict[str, Any]) -> bytes:
    """Return the file of a lock's document, with the checksum that fits."""
    about = document["tool"]["bundle"]
    about.pop("content", None)
    about["content"] = hashlib.sha256(canonical_json(document)).hexdigest()
    return tomli_w.dumps(document).encode()
