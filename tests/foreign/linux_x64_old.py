"""A real CPython 3.9 for Linux on x86-64 that runs on old systems: Debian 11 compiled it, for glibc 2.31.

What this proves: an archive that was not made on this machine, with a lower floor than this machine's own Python. The
standard library is that of CPython's source release, as Debian's source package holds it, so that none of Debian's
patches to it are inside. The libraries that it needs come along into `lib`, found by relative run paths, but neither
`libstdc++` nor `libgcc_s`, which a bundle carries by itself.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from tests.foreign import debian
from tests.foreign.linux_aarch64 import take_along, unite_folders
from tests.foreign.prepared import Prepared, kept_archive

SUITE = "bullseye"
MACHINE = "amd64"
PYTHON = "3.9.2"

_RECIPE = "1"
"""Raised whenever the same packages become another tree."""

_PYTHON_PACKAGES = ("libpython3.9-dev", "libpython3.9-minimal", "libpython3.9-stdlib", "python3.9-minimal")
_LIBRARY_PACKAGES = (
    "libbz2-1.0",
    "libcrypt1",
    "libdb5.3",
    "libexpat1",
    "libffi7",
    "liblzma5",
    "libmpdec3",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libssl1.1",
    "libtinfo6",
    "libuuid1",
    "zlib1g",
)
_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo")


def prepare() -> Prepared:
    """Return the interpreter, made on first use."""
    index = debian.packages(MACHINE, SUITE)
    hashes = [index[name].sha256 for name in (*_PYTHON_PACKAGES, *_LIBRARY_PACKAGES)]
    path = kept_archive(f"cpython-{PYTHON}-debian-x64.tar.zst", "\n".join((_RECIPE, *hashes)), _assemble)
    return Prepared(key="linux-x64", python=PYTHON, path=path)


def _assemble(tree: Path) -> None:
    root = tree.with_name("debian")
    shutil.rmtree(root, ignore_errors=True)
    debian.unpack(_PYTHON_PACKAGES, MACHINE, root, SUITE)
    debian.unpack(_LIBRARY_PACKAGES, MACHINE, root / "libraries", SUITE)
    usr, stdlib, include = root / "usr", tree / "lib/python3.9", tree / "include/python3.9"
    _unpack_source(root / "source")
    shutil.copytree(root / "source/Lib", stdlib, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    shutil.copytree(root / "source/Include", include)
    shutil.copyfile(usr / "include/x86_64-linux-gnu/python3.9/pyconfig.h", include / "pyconfig.h")
    (tree / "bin").mkdir()
    shutil.copy(usr / "bin/python3.9", tree / "bin/python3.9")
    for name in ("python3", "python"):
        (tree / "bin" / name).symlink_to("python3.9")
    left_out = shutil.ignore_patterns("nis.*", "_tkinter.*")
    shutil.copytree(usr / "lib/python3.9/lib-dynload", stdlib / "lib-dynload", ignore=left_out)
    data = stdlib / "_sysconfigdata__linux_x86_64-linux-gnu.py"
    shutil.copyfile(usr / "lib/python3.9/_sysconfigdata__x86_64-linux-gnu.py", data)
    unite_folders("x86_64-linux-gnu", data)
    take_along(tree, root / "libraries")
    shutil.rmtree(root)


def _unpack_source(folder: Path) -> None:
    """Unpack the source release without its top folder."""
    (file,) = (file for file in debian.sources(SUITE)["python3.9"] if ".orig.tar" in file.path)
    top = f"Python-{PYTHON}/"
    with tarfile.open(debian.fetch(file)) as archive:
        for member in archive:
            member.name = member.name.removeprefix(top)
            if member.name.startswith(("Lib/", "Include/")):
                archive.extract(member, folder, filter="data")
