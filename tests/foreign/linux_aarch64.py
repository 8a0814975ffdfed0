"""A real, portable CPython 3.11 for Linux on ARM, from Debian's packages for it.

What this proves: everything in it was compiled for that machine, runs there (or under an emulator) and needs nothing
but the C library. How it differs from a CPython as its makers publish it:

- Debian's patches to `sysconfig`, `site`, `ensurepip` and `venv` are reverted with Debian's own patch files, since they
  make Python install into `dist-packages` and `/usr/local`. Of `site` there is a compiled copy inside the executable
  and libpython, too: there the folder's name is overwritten by `site-packages`, which is just as long.
- `distutils` keeps Debian's patches; nothing in a bundle uses it, and later versions have none.
- ensurepip gets the wheels that CPython's release 3.11.2 carries, from the registry.
- What is recorded of Debian's folders for several machines (`lib/aarch64-linux-gnu`) names the usual ones.
- `nis` is left out, whose libraries drag Kerberos along; libraries that Debian's packages share come along into `lib`,
  found by relative run paths.
- The floor is high: glibc 2.36.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from bundle.artifacts.interpreters.portable import run_paths
from bundle.base.native.read import read_native
from bundle.base.processes.run import check, run
from bundle.model.system_libraries import LINUX_BASE
from tests.foreign import debian
from tests.foreign.downloads import project_file
from tests.foreign.prepared import Prepared, kept_archive

MACHINE = "arm64"
PYTHON = "3.11.2"

_RECIPE = "2"
"""Raised whenever the same packages become another tree."""

_PYTHON_PACKAGES = (
    "libpython3.11",
    "libpython3.11-dev",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "python3-distutils",
    "python3-lib2to3",
    "python3.11",
    "python3.11-minimal",
    "python3.11-venv",
)
_LIBRARY_PACKAGES = (
    "libbz2-1.0",
    "libcrypt1",
    "libdb5.3",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libtinfo6",
    "libuuid1",
    "zlib1g",
)
_REVERTED = (
    "sysconfigdata-name",
    "ensurepip-disabled",
    "multiarch",
    "sysconfig-debian-schemes",
    "distutils-install-layout",
)
"""Debian's patches that are taken back, the last applied first."""

_REVERTED_FILES = ("sysconfig.py", "site.py", "pydoc.py", "ensurepip/__init__.py", "venv/__init__.py")

_ENSUREPIP = {"pip": "22.3.1", "setuptools": "65.5.0"}
"""What ensurepip of that release carries."""


def prepare() -> Prepared:
    """Return the interpreter, made on first use."""
    index = debian.packages(MACHINE)
    hashes = [index[name].sha256 for name in (*_PYTHON_PACKAGES, *_LIBRARY_PACKAGES)]
    path = kept_archive(
        f"cpython-{PYTHON}-debian-aarch64.tar.zst", "\n".join((_RECIPE, *_REVERTED, *hashes)), _assemble
    )
    return Prepared(key="linux-aarch64", python=PYTHON, path=path)


def _assemble(tree: Path) -> None:
    root = tree.with_name("debian")
    shutil.rmtree(root, ignore_errors=True)
    debian.unpack(_PYTHON_PACKAGES, MACHINE, root)
    libraries = root / "libraries"
    debian.unpack(_LIBRARY_PACKAGES, MACHINE, libraries)
    usr, stdlib, include = root / "usr", tree / "lib/python3.11", tree / "include/python3.11"
    (tree / "bin").mkdir(parents=True)
    shutil.copytree(usr / "lib/python3.11", stdlib, symlinks=True)
    shutil.copytree(usr / "include/python3.11", include)
    # Debian's own only leads to the one of the machine.
    shutil.copyfile(usr / "include/aarch64-linux-gnu/python3.11/pyconfig.h", include / "pyconfig.h")
    shutil.copyfile(usr / "bin/python3.11", tree / "bin/python3.11")
    shutil.copyfile(usr / "lib/aarch64-linux-gnu/libpython3.11.so.1.0", tree / "lib/libpython3.11.so.1.0")
    (tree / "lib/libpython3.11.so").symlink_to("libpython3.11.so.1.0")
    shutil.copytree(usr / "lib/aarch64-linux-gnu/pkgconfig", tree / "lib/pkgconfig")
    for name in ("python3", "python"):
        (tree / "bin" / name).symlink_to("python3.11")
    _arrange(stdlib)
    recorded = (stdlib / "_sysconfigdata__linux_aarch64-linux-gnu.py", *(tree / "lib/pkgconfig").iterdir())
    unite_folders("aarch64-linux-gnu", *recorded)
    _revert(stdlib)
    _fill_ensurepip(stdlib / "ensurepip")
    _rename_packages_folder(tree / "bin/python3.11", tree / "lib/libpython3.11.so.1.0")
    take_along(tree, libraries, "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1")
    for notice in (*root.glob("usr/share/doc/*/copyright"), *libraries.glob("usr/share/doc/*/copyright")):
        target = tree / "share/licenses" / notice.parent.name / notice.name
        target.parent.mkdir(parents=True)
        shutil.copyfile(notice, target)
    for path in tree.rglob("*"):
        if path.is_symlink() and path.readlink().is_absolute():
            raise RuntimeError(f"{path} is a link to {path.readlink()}")
    shutil.rmtree(root)


def _arrange(stdlib: Path) -> None:
    """Take out what belongs to the distribution, and give files the names that CPython gives them."""
    for name in ("sitecustomize.py", "_distutils_system_mod.py", "EXTERNALLY-MANAGED"):
        (stdlib / name).unlink()
    (stdlib / "_sysconfigdata__linux_aarch64-linux-gnu.py").unlink()
    (stdlib / "_sysconfigdata__aarch64-linux-gnu.py").rename(stdlib / "_sysconfigdata__linux_aarch64-linux-gnu.py")
    for path in stdlib.glob("config-*"):
        shutil.rmtree(path)
    for path in stdlib.glob("lib-dynload/nis.*"):
        path.unlink()
    (stdlib / "site-packages").mkdir()


def unite_folders(multiarch: str, *files: Path) -> None:
    """Let what is recorded name the folders of a Python that has its prefix to itself."""
    for file in files:
        text = file.read_text(encoding="utf-8")
        for folder in ("lib", "include"):
            text = re.sub(rf"(/usr|\$\{{\w*prefix\}})/{folder}/{multiarch}", rf"\1/{folder}", text)
        text = re.sub(r"(?<='WHEEL_PKG_DIR': ')[^']*", "", text)
        file.write_text(text, encoding="utf-8")


def _revert(stdlib: Path) -> None:
    """Take back Debian's patches, with its own patch files."""
    (file,) = (file for file in debian.sources()["python3.11"] if file.path.endswith(".debian.tar.xz"))
    with tarfile.open(debian.fetch(file)) as archive:
        for name in _REVERTED:
            member = archive.extractfile(f"debian/patches/{name}.diff")
            if member is None:
                raise RuntimeError(f"Debian's python3.11 has no patch {name}")
            for path, text in _parts(member.read().decode()):
                if path in _REVERTED_FILES:
                    command = ["patch", "-R", "-f", "--no-backup-if-mismatch", str(stdlib / path)]
                    check(run(command, stdin=text.encode()), f"Reverting {name} in {path}")


def _parts(patch: str) -> Iterator[tuple[str, str]]:
    """Yield each file's part of a patch, with the file's path in the standard library."""
    for part in re.split(r"(?m)^(?=--- )", patch)[1:]:
        if found := re.search(r"(?m)^\+\+\+ \w/Lib/(\S+)", part):
            yield found[1], part


def _fill_ensurepip(folder: Path) -> None:
    bundled = folder / "_bundled"
    bundled.mkdir()
    for project, version in _ENSUREPIP.items():
        wheel = f"{project}-{version}-py3-none-any.whl"
        shutil.copyfile(project_file(project, wheel.__eq__), bundled / wheel)


def _rename_packages_folder(*files: Path) -> None:
    for file in files:
        content = file.read_bytes()
        if content.count(b"\0dist-packages\0") != 1:
            raise RuntimeError(f"{file.name} holds the compiled site module in an unknown form")
        file.write_bytes(content.replace(b"\0dist-packages\0", b"\0site-packages\0"))
        file.chmod(0o755)


def _needs(file: Path) -> list[str]:
    native = read_native(file)
    return [need.name for need in native.needs if need.name not in LINUX_BASE] if native else []


def take_along(tree: Path, libraries: Path, *names: str) -> None:
    """Copy the libraries that are needed, and some others, into `lib`, with relative run paths on everything."""
    known = {path.name: path for path in libraries.rglob("*.so*")}
    present = {path.name for path in (tree / "lib").iterdir()}
    waiting = [*(name for file in run_paths.files_in(tree) for name in _needs(file)), *names]
    while waiting:
        name = waiting.pop()
        if name in present:
            continue
        target = tree / "lib" / name
        shutil.copyfile(known[name], target)
        target.chmod(0o755)
        present.add(name)
        waiting += _needs(target)
    run_paths.set_run_paths(run_paths.files_in(tree), tree)
