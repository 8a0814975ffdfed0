"""Libraries that wheels expect and a system with nothing but glibc lacks, carried in the bundle.

They come from pinned packages of Debian 11, not from the building machine: so the same bundle has the same bytes
wherever it is built, for each machine, and its floor stays low.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.interpreters.debian_mirror import VARIABLE, debian_mirror
from bundle.artifacts.interpreters.portable.debian_packages import licence_of
from bundle.artifacts.interpreters.portable.facts import Library
from bundle.artifacts.interpreters.portable.run_paths import add_run_paths
from bundle.artifacts.interpreters.source import Request, Tools, obtain
from bundle.base.errors import ConfigError, NetworkError, WorkError
from bundle.model.platforms import Platform
from bundle.model.system_libraries import CARRIED, LINUX_RUN_PATH

GLIBC = (2, 18)
"""The oldest glibc that they run on, on every platform."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A binary package of Debian."""

    name: str
    version: str
    folder: str
    """Its folder in the archive."""
    sha256: Mapping[str, str]
    """By platform key."""
    library: str = ""
    """Name of the library that is taken from it."""

    def file(self, platform: Platform) -> str:
        """Return its file's name."""
        return f"{self.name}_{self.version}_{platform.debian}.deb"


_GCC = {"version": "10.2.1-6", "folder": "pool/main/g/gcc-10"}

PACKAGES = (
    Package(
        name="gcc-10-base",
        **_GCC,
        sha256={
            "linux-x64": "be65535e94f95fbf04b104e8ab36790476f063374430f7dfc6c516cbe2d2cd1e",
            "linux-aarch64": "7d782bece7b4a36bed045a7e17d17244cb8f7e4732466091b01412ebf215defb",
        },
    ),
    Package(
        name="libgcc-s1",
        **_GCC,
        library="libgcc_s.so.1",
        sha256={
            "linux-x64": "e478f2709d8474165bb664de42e16950c391f30eaa55bc9b3573281d83a29daf",
            "linux-aarch64": "e2fcdb378d3c1ad1bcb64d4fb6b37aab44011152beca12a4944f435a2582df1f",
        },
    ),
    Package(
        name="libstdc++6",
        **_GCC,
        library="libstdc++.so.6",
        sha256={
            "linux-x64": "5c155c58935870bf3b4bfe769116841c0d286a74f59eccfd5645693ac23f06b1",
            "linux-aarch64": "7869aa540cc46e9f3d4267d5bde2af0e5b429a820c1d6f1a4cfccfe788c31890",
        },
    ),
    Package(
        name="zlib1g",
        version="1.2.11.dfsg-2+deb11u2",
        folder="pool/main/z/zlib",
        library="libz.so.1",
        sha256={
            "linux-x64": "03d2ab2174af76df6f517b854b77460fbdafc3dac0dca979317da67538159a3e",
            "linux-aarch64": "e3963985d1a020d67ffd4180e6f9c4b5c600b515f0c9d8fda513d7a0e48e63a1",
        },
    ),
)
"""What is taken along, and the package with the licence of GCC's libraries."""


def carry(tree: Path, request: Request, python: str, tools: Tools) -> tuple[Library, ...]:
    """Put those of the libraries that an interpreter has not brought itself into it, with their licences.

    The interpreter then looks for the libraries of wheels beside it, after the folders of the system.

    Args:
        python: its version.

    Raises:
        ConfigError: no mirror of Debian is known, and a package is not in the cache.
        NetworkError: a package is not in the cache and cannot be downloaded.
    """
    if not request.carry:
        return ()
    platform = request.platform
    taken = [package for package in PACKAGES if package.library and not (tree / "lib" / package.library).exists()]
    # An interpreter that was taken from a bundle has them already.
    wanted = [package for package in taken if not (tree / CARRIED / package.library).exists()]
    for package in PACKAGES if wanted else ():
        with _data(_obtain(package, request, tools)) as data:
            _take(data, package, tree, library=package in wanted)
    if wanted:
        add_run_paths(tree / platform.executable(python), (LINUX_RUN_PATH, f"$ORIGIN/../{CARRIED}"))
    return tuple(
        Library(name=package.library, version=package.version, licence=licence_of(package.library)) for package in taken
    )


def _obtain(package: Package, request: Request, tools: Tools) -> Path:
    filename, sha256 = package.file(request.platform), package.sha256[request.platform.key]
    mirror = debian_mirror(request.environ)
    if not mirror and tools.files.get(sha256) is None:
        raise ConfigError(
            "build.carry is true, and no mirror of Debian is known to take the libraries from.",
            remedy=f"Name one in {VARIABLE}, or set build.carry to false.",
        )
    try:
        return obtain(sha256, f"{mirror}/{package.folder}/{filename}", filename, tools)
    except NetworkError as error:
        raise NetworkError(
            f"{filename}, which build.carry takes a library from, cannot be downloaded.",
            cause=error.what,
            remedy=f"Name a mirror of Debian in {VARIABLE}, or set build.carry to false: the bundle then relies on the "
            "system's libstdc++, libgcc_s and libz.",
        ) from error


def _data(package: Path) -> tarfile.TarFile:
    """Open the files of a binary package. Source: the manual page deb(5)."""
    content = package.read_bytes()
    start = 8
    while start < len(content):
        name = content[start : start + 16].strip().rstrip(b"/")
        size = int(content[start + 48 : start + 58])
        start += 60
        if name.startswith(b"data.tar"):
            return tarfile.open(fileobj=io.BytesIO(content[start : start + size]))
        start += size + size % 2
    raise WorkError(f"{package.name} holds no files.")


def _take(data: tarfile.TarFile, package: Package, tree: Path, *, library: bool) -> None:
    """Put the copyright file of a package into a tree, if there is one, and its library."""
    for member in data:
        name = member.name.rpartition("/")[2]
        if library and name == package.library:
            target, mode = tree / CARRIED / name, 0o755
        elif member.isfile() and name == "copyright":
            target, mode = tree / "share/licenses" / package.name / name, 0o644
        else:
            continue
        if (file := data.extractfile(member)) is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())
            target.chmod(mode)
