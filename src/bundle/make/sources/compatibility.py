"""The check that a wheel built on this machine fits the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from bundle.base.errors import WorkError
from bundle.base.extract import read_selected
from bundle.base.native.formats import HEAD, is_library_name, machines_in
from bundle.make.sources.failure import native_machine_needed
from bundle.model.platforms import PLATFORMS, Floors, Platform, platforms_of, short_version
from bundle.model.wheeltags import fits, is_pure, oldest_glibc, parse_wheel_name, same_system


def check_fits(
    wheel: Path,
    platform: Platform,
    python: str,
    floors: Floors,
    *,
    interpreter_glibc: str | None = None,
    version: str = "VERSION",
) -> str | None:
    """Make sure that a wheel built here runs on the target.

    Its tags decide, and for a wheel that claims to fit everywhere the native files in it. A wheel may need a newer
    glibc than the floor if the bundle's own interpreter needs it as well: the bundle runs on no older system anyway.

    Args:
        interpreter_glibc: the oldest glibc on which all of the bundle's interpreter works, if that was measured.
        version: the bundle's version, for messages.

    Returns:
        A warning if the wheel is above the floor and no worse than the interpreter.

    Raises:
        WorkError: it fits another platform or another Python, or needs a newer system.
    """
    try:
        name, release, _, tags = parse_wheel_name(wheel.name)
    except InvalidWheelFilename as error:
        raise WorkError(
            f"The build backend made {wheel.name}, which is not the name of a wheel: {error}",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error
    shown = ", ".join(sorted(map(str, tags)))
    made_for = [other.key for other in PLATFORMS.values() if same_system(tags, other)]
    if fits(tags, platform, python, floors):
        native = set(native_platforms(wheel)) if is_pure(tags) else set()
        if not native or platform.key in native:
            return None
        made_for = sorted(native)
    elif platform.key in made_for:
        return _above_floor(f"{name} {release}", tags, platform, python, floors, interpreter_glibc)
    raise native_machine_needed(
        name,
        str(release),
        version=version,
        platform_key=platform.key,
        cause=f"It has native code; built here, it fits {', '.join(made_for) or 'none of the platforms'}: {shown}",
    )


def _above_floor(
    label: str, tags: Collection[Tag], platform: Platform, python: str, floors: Floors, interpreter_glibc: str | None
) -> str:
    """Return the warning for a wheel that is above the floor, or raise the error for one that does not fit."""
    needed = oldest_glibc(tags) if platform.system == "linux" else None
    if needed is None or not fits(tags, platform, python, replace(floors, glibc=needed)):
        raise WorkError(
            f"{label}, built from source, fits neither Python {short_version(python)} nor the floors of "
            f"{platform.key}: {', '.join(sorted(map(str, tags)))}",
            cause="The package's build chooses its tags itself, or was made for another Python or a newer system.",
            remedy="Choose a version that supports this Python, or raise the floors (build.glibc, build.macos).",
        )
    above = f"{label}, built on this machine, needs glibc {needed}, and build.glibc is {floors.glibc}"
    if interpreter_glibc is not None and Version(needed) <= Version(interpreter_glibc):
        return f"{above}; so does the bundle's interpreter, which needs {interpreter_glibc}"
    raise WorkError(
        f"{above}.",
        cause="A compiler takes the newest functions that the C library of its machine has.",
        remedy=f"Build it on a system with glibc {floors.glibc} or older, such as a manylinux container, and put the "
        f"wheel into the version's folder wheels/; or raise build.glibc to {needed}.",
    )


def native_platforms(wheel: Path) -> Iterator[str]:
    """Yield the platforms of each native module and library in a wheel.

    Raises:
        IntegrityError: the wheel is damaged.
    """
    for _, head in read_selected(wheel, is_library_name, most=HEAD - 1):
        found = machines_in(head)
        yield from platforms_of(*found) if found else ()
