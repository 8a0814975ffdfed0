"""The platforms that bundles are made for, with all their facts: names, wheel tags, layout, native files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from packaging.tags import Tag

    from bundle.base.native.formats import Format

System = Literal["linux", "macosx", "windows"]
Launcher = Literal["posix", "win-amd64", "win-arm64"]

DEFAULT_GLIBC = "2.28"
DEFAULT_MACOS = "13.0"

# PEP 600: the legacy names stand for these glibc versions.
_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The oldest systems that a bundle must run on."""

    glibc: str = DEFAULT_GLIBC
    """Newest `manylinux_X_Y` that counts as available."""

    macos: str = DEFAULT_MACOS
    """Newest `macosx_X_Y` that counts as available."""

    def of(self, system: System) -> dict[str, str]:
        """Return the floor of one system by its name in the configuration, such as `{"glibc": "2.28"}`."""
        return {"glibc": self.glibc} if system == "linux" else {"macos": self.macos} if system == "macosx" else {}


@dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """The facts that all platforms of one system share."""

    platform_system: str
    """As `platform.system()` and the PEP 508 marker spell it."""
    sys_platform: str
    binary_format: Format
    """The format of its native files."""
    tag_prefix: str
    """The beginning of its plain platform tags."""


SYSTEMS: Mapping[System, SystemFacts] = {
    "linux": SystemFacts(platform_system="Linux", sys_platform="linux", binary_format="elf", tag_prefix="linux"),
    "macosx": SystemFacts(platform_system="Darwin", sys_platform="darwin", binary_format="macho", tag_prefix="macosx"),
    "windows": SystemFacts(platform_system="Windows", sys_platform="win32", binary_format="pe", tag_prefix="win"),
}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One of the platforms that bundles are made for."""

    key: str
    system: System
    machine: str
    """The machine as wheel tags spell it, and in lower case LIEF: x86_64, aarch64, arm64, amd64."""
    triple: str
    """The interpreter triple of python-build-standalone."""
    release: tuple[str, str]
    """Machine and system, as pbs-installer names them."""
    uv: str
    """As uv's `--python-platform` names it."""
    multiarch: str = ""
    """Linux: Debian's name of the architecture, which compilers, library folders and extension modules carry."""
    debian: str = ""
    """Linux: the architecture in the names of Debian's packages."""
    oldest_glibc: int = 0
    """Linux: the minor number of the oldest glibc 2 that wheel tags name (PEP 600)."""
    loaders: tuple[str, ...] = ()
    """Linux: where programs expect the dynamic linker, the psABI's place first."""
    ldconfig: str = ""
    """Linux: the word for the machine in the listing of `ldconfig -p`."""
    qemu_cpu: str = ""
    """Linux: the processor model for qemu, quick to emulate, with what systems of the platform have."""
    wine: str = ""
    """Windows: the machine on which Wine runs its programs."""
    launcher: Launcher = "posix"
    """The kind of script launcher, as PyPA installer names it."""

    @property
    def is_windows(self) -> bool:
        """Whether the Windows layout applies."""
        return self.system == "windows"

    @property
    def binary_format(self) -> Format:
        """The format of native files."""
        return SYSTEMS[self.system].binary_format

    @property
    def plain_tag(self) -> str:
        """The platform tag without the system's version: `linux_x86_64`, `macosx_arm64`, `win_amd64`."""
        return f"{SYSTEMS[self.system].tag_prefix}_{self.machine}"

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

    def module_tags(self, python: str) -> tuple[str, ...]:
        """Return the tags before the suffix of native modules (`importlib.machinery.EXTENSION_SUFFIXES`)."""
        digits = short_version(python).replace(".", "")
        if self.is_windows:
            return (f".cp{digits}-{self.plain_tag}",)
        return (f".cpython-{digits}-{self.multiarch or SYSTEMS[self.system].sys_platform}", ".abi3")

    def marker_environment(self, python: str) -> dict[str, str]:
        """Return the PEP 508 marker environment of CPython `python` (such as `3.12.10`) there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": "nt" if self.is_windows else "posix",
            "platform_machine": self.machine.upper() if self.is_windows else self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": SYSTEMS[self.system].platform_system,
            "platform_version": "",
            "python_full_version": python,
            "python_version": short_version(python),
            "sys_platform": SYSTEMS[self.system].sys_platform,
        }

    def tags(self, python: str, floors: Floors) -> tuple[Tag, ...]:
        """Return the wheel tags that fit, best first, down from the floors (PEP 425, 600)."""
        # Their imports take longer than most commands.
        from packaging.tags import compatible_tags, cpython_tags
        from packaging.version import Version

        version = Version(python).release[:2]
        names = list(self._tag_names(floors))
        interpreter = f"cp{version[0]}{version[1]}"
        return (*cpython_tags(version, platforms=names), *compatible_tags(version, interpreter, names))

    def _tag_names(self, floors: Floors) -> Iterator[str]:
        if self.system == "windows":
            yield self.plain_tag
        elif self.system == "macosx":
            from packaging.tags import mac_platforms

            major, minor = (int(part) for part in floors.macos.split("."))
            yield from mac_platforms((major, minor), self.machine)
        else:
            newest = int(floors.glibc.split(".")[1])
            for minor in range(newest, self.oldest_glibc - 1, -1):
                yield f"manylinux_2_{minor}_{self.machine}"
                if legacy := _LEGACY_MANYLINUX.get((2, minor)):
                    yield f"{legacy}_{self.machine}"
            yield self.plain_tag


PLATFORMS: dict[str, Platform] = {
    platform.key: platform
    for platform in (
        Platform(
            key="linux-x64",
            system="linux",
            machine="x86_64",
            triple="x86_64-unknown-linux-gnu",
            release=("x86_64", "linux"),
            uv="x86_64-manylinux_2_28",
            multiarch="x86_64-linux-gnu",
            debian="amd64",
            oldest_glibc=5,
            loaders=("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2"),
            ldconfig="x86-64",
            qemu_cpu="max",
        ),
        Platform(
            key="linux-aarch64",
            system="linux",
            machine="aarch64",
            triple="aarch64-unknown-linux-gnu",
            release=("aarch64", "linux"),
            uv="aarch64-manylinux_2_28",
            multiarch="aarch64-linux-gnu",
            debian="arm64",
            oldest_glibc=17,
            loaders=("/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"),
            ldconfig="AArch64",
            # The default model emulates pointer authentication, which makes every start some twenty times slower.
            qemu_cpu="cortex-a72",
        ),
        Platform(
            key="macosx-x64",
            system="macosx",
            machine="x86_64",
            triple="x86_64-apple-darwin",
            release=("x86_64", "macos"),
            uv="x86_64-apple-darwin",
        ),
        Platform(
            key="macosx-aarch64",
            system="macosx",
            machine="arm64",
            triple="aarch64-apple-darwin",
            release=("aarch64", "macos"),
            uv="aarch64-apple-darwin",
        ),
        Platform(
            key="windows-x64",
            system="windows",
            machine="amd64",
            triple="x86_64-pc-windows-msvc",
            release=("x86_64", "windows"),
            uv="x86_64-pc-windows-msvc",
            wine="x86_64",
            launcher="win-amd64",
        ),
    )
}
"""Every platform by its key, in the order in which they are listed and built."""


def short_version(python: str) -> str:
    """Return `3.12` for `3.12.10`."""
    return ".".join(python.split(".")[:2])


def platform_of(system: str, machine: str) -> Platform | None:
    """Return the platform of a machine, None if it is an unknown one.

    Args:
        system: as `platform.system()` says it.
        machine: as `platform.machine()` says it.
    """
    named = (one for one in PLATFORMS.values() if SYSTEMS[one.system].platform_system == system)
    return next((one for one in named if one.machine == machine.lower()), None)


def platforms_of(binary_format: Format, machines: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the platforms that load native files of a format for any of some machines."""
    known = frozenset(machines)
    return tuple(key for key, one in PLATFORMS.items() if one.binary_format == binary_format and one.machine in known)
