"""What a platform key stands for: wheel tags, marker environment, interpreter triple, layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.version import Version

System = Literal["linux", "macosx", "windows"]

DEFAULT_GLIBC = "2.28"
DEFAULT_MACOS = "13.0"

# PEP 600: the legacy names stand for these glibc versions.
_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The oldest systems that a bundle must run on."""

    glibc: str = DEFAULT_GLIBC
    """Newest `manylinux_X_Y` that counts as available."""

    macos: str = DEFAULT_MACOS
    """Newest `macosx_X_Y` that counts as available."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One of the platforms that bundles are made for."""

    key: str
    system: System
    machine: str
    """The machine as wheel tags spell it: x86_64, aarch64, arm64, amd64."""
    triple: str
    """The interpreter triple of python-build-standalone."""

    @property
    def is_windows(self) -> bool:
        """Whether the Windows layout applies."""
        return self.system == "windows"

    @property
    def scripts(self) -> str:
        """Folder of console scripts, relative to the bundle's root."""
        return "Scripts" if self.is_windows else "bin"

    def site_packages(self, python: str) -> str:
        """Return the site-packages folder relative to the bundle's root, for a Python version like `3.12.10`."""
        return "Lib/site-packages" if self.is_windows else f"{self.stdlib(python)}/site-packages"

    def stdlib(self, python: str) -> str:
        """Return the standard library's folder relative to the bundle's root."""
        return "Lib" if self.is_windows else f"lib/python{short_version(python)}"

    def executable(self, python: str) -> str:
        """Return the interpreter's path relative to the bundle's root."""
        return "python.exe" if self.is_windows else f"bin/python{short_version(python)}"

    def marker_environment(self, python: str) -> dict[str, str]:
        """Return the PEP 508 marker environment of CPython `python` (such as `3.12.10`) there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": "nt" if self.is_windows else "posix",
            "platform_machine": "AMD64" if self.is_windows else self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": {"linux": "Linux", "macosx": "Darwin", "windows": "Windows"}[self.system],
            "platform_version": "",
            "python_full_version": python,
            "python_version": short_version(python),
            "sys_platform": {"linux": "linux", "macosx": "darwin", "windows": "win32"}[self.system],
        }

    def tags(self, python: str, floors: Floors) -> tuple[Tag, ...]:
        """Return the wheel tags that fit, best first, down from the floors (PEP 425, 600)."""
        version = Version(python).release[:2]
        names = list(self._tag_names(floors))
        interpreter = f"cp{version[0]}{version[1]}"
        return (*cpython_tags(version, platforms=names), *compatible_tags(version, interpreter, names))

    def _tag_names(self, floors: Floors) -> Iterator[str]:
        if self.system == "windows":
            yield "win_amd64"
        elif self.system == "macosx":
            major, minor = (int(part) for part in floors.macos.split("."))
            yield from mac_platforms((major, minor), self.machine)
        else:
            newest = int(floors.glibc.split(".")[1])
            for minor in range(newest, _OLDEST_GLIBC[self.machine] - 1, -1):
                yield f"manylinux_2_{minor}_{self.machine}"
                if legacy := _LEGACY_MANYLINUX.get((2, minor)):
                    yield f"{legacy}_{self.machine}"
            yield f"linux_{self.machine}"


PLATFORMS: dict[str, Platform] = {
    platform.key: platform
    for platform in (
        Platform(key="linux-x64", system="linux", machine="x86_64", triple="x86_64-unknown-linux-gnu"),
        Platform(key="linux-aarch64", system="linux", machine="aarch64", triple="aarch64-unknown-linux-gnu"),
        Platform(key="macosx-x64", system="macosx", machine="x86_64", triple="x86_64-apple-darwin"),
        Platform(key="macosx-aarch64", system="macosx", machine="arm64", triple="aarch64-apple-darwin"),
        Platform(key="windows-x64", system="windows", machine="amd64", triple="x86_64-pc-windows-msvc"),
    )
}
"""Every platform by its key, in the order in which they are listed and built."""


def short_version(python: str) -> str:
    """Return `3.12` for `3.12.10`."""
    return ".".join(python.split(".")[:2])


def platform_of(system: str, machine: str) -> Platform | None:
    """Return the platform of a machine, or None if it is none of ours.

    Args:
        system: as `platform.system()` says it.
        machine: as `platform.machine()` says it.
    """
    systems = {"Linux": "linux", "Darwin": "macosx", "Windows": "windows"}
    machines = {"x86_64": "x64", "AMD64": "x64", "amd64": "x64", "arm64": "aarch64", "aarch64": "aarch64"}
    return PLATFORMS.get(f"{systems.get(system)}-{machines.get(machine)}")
