"""A lock whose packages require each other."""

from __future__ import annotations

from collections.abc import Iterable

from bundle.model.locks.lock import Lock, LockedFile, LockedPackage, SkippedPackage


def package(name: str, *required_by: str, size: int = 1000) -> LockedPackage:
    """Return a package of version 1.0."""
    file = LockedFile(name=f"{name}-1.0-py3-none-any.whl", sha256=f"{sum(map(ord, name)):064}", size=size)
    return LockedPackage(name=name, version="1.0", kind="wheel", file=file, reason="fits", required_by=required_by)


def lock_of(packages: Iterable[LockedPackage], *, platform: str = "linux-x64", inputs: str = "0" * 64) -> Lock:
    """Return a lock in which `app` and `tool` are asked for and `gpu` is left out."""
    gpu = SkippedPackage(name="gpu", version="2.0", reason="too large", required_by=("tool",), kind="skipped")
    return Lock(
        version="3.12.10-x",
        platform=platform,
        python="3.12.10",
        inputs=inputs,
        packages=tuple(packages),
        skipped=(gpu,),
    )


PACKAGES = (
    package("app", ""),
    package("tool", ""),
    package("lib", "app", "tool"),
    package("core", "lib"),
)
