"""Whether a wheel that was built here runs on the target."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from bundle.base.errors import WorkError
from bundle.model.platforms import PLATFORMS, Floors, Platform, short_version

_NATIVE = re.compile(r"\.(?:so(?:\.[\d.]+)?|pyd|dll|dylib)$")

_MAGIC = (
    (re.compile(rb"\x7fELF.{14}\x3e\x00", re.DOTALL), ("linux-x64",)),
    (re.compile(rb"\x7fELF.{14}\xb7\x00", re.DOTALL), ("linux-aarch64",)),
    (re.compile(rb"\xcf\xfa\xed\xfe\x07\x00\x00\x01"), ("macosx-x64",)),
    (re.compile(rb"\xcf\xfa\xed\xfe\x0c\x00\x00\x01"), ("macosx-aarch64",)),
    (re.compile(rb"\xca\xfe\xba\xbe"), ("macosx-x64", "macosx-aarch64")),
    (re.compile(rb"MZ"), ("windows-x64",)),
)
"""How native files begin: ELF and Mach-O with their machine, universal Mach-O, PE."""


def check_fits(wheel: Path, platform: Platform, python: str, floors: Floors) -> None:
    """Make sure that a wheel built here runs on the target.

    Its tags tell, and for a wheel that claims to fit everywhere the native files in it.

    Args:
        wheel: the built wheel.
        platform: the target.
        python: the bundle's Python, such as `3.12.10`.
        floors: the oldest systems that the bundle must run on.

    Raises:
        WorkError: it fits another platform or another Python; says which native machine is needed.
    """
    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise WorkError(
            f"The build backend made {wheel.name}, which is no name of a wheel: {error}",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error
    shown = ", ".join(sorted(map(str, tags)))
    made_for = [other.key for other in PLATFORMS.values() if _runs_on(tags, other)]
    if tags & frozenset(platform.tags(python, floors)):
        native = set(_native_platforms(wheel)) if any(tag.platform == "any" for tag in tags) else set()
        if not native or platform.key in native:
            return
        made_for = sorted(native)
    elif platform.key in made_for:
        raise WorkError(
            f"{name} {version}, built from source, fits neither Python {short_version(python)} nor the floors of "
            f"{platform.key}: {shown}",
            cause="The package's build chooses its tags itself, or was made for another Python or a newer system.",
            remedy="Choose a version that supports this Python, or lower the floors (build.glibc, build.macos).",
        )
    raise WorkError(
        f"{name} {version} has native code and no wheel for {platform.key}: building it needs a native "
        f"{platform.key} machine.",
        cause=f"Built here, it fits {', '.join(made_for) or 'none of the platforms'}: {shown}",
        remedy=f"Build this version on a {platform.key} machine, or skip the package there "
        f"(packages.skip.{name}.{platform.key}) with a reason.",
    )


def _runs_on(tags: Iterable[Tag], platform: Platform) -> bool:
    prefix = {"linux": ("linux", "manylinux", "musllinux"), "macosx": ("macosx",), "windows": ("win",)}[platform.system]
    machines = (platform.machine, *(("universal2",) if platform.system == "macosx" else ()))
    return any(
        tag.platform == "any" or (tag.platform.startswith(prefix) and tag.platform.endswith(machines)) for tag in tags
    )


def _native_platforms(wheel: Path) -> Iterator[str]:
    """Yield the platforms of the native modules and libraries in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if _NATIVE.search(info.filename):
                with archive.open(info) as member:
                    start = member.read(64)
                yield from (key for magic, keys in _MAGIC if magic.match(start) for key in keys)
