"""An interpreter archive in any of the known layouts, unpacked, checked and normalised."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.interpreters.carried import carry
from bundle.artifacts.interpreters.portable.certificates import compiled_in
from bundle.artifacts.interpreters.portable.debian_packages import licence_of
from bundle.artifacts.interpreters.portable.facts import About, Library, measure_glibc
from bundle.artifacts.interpreters.source import Request, Tools
from bundle.base.errors import ConfigError, IntegrityError, WorkError
from bundle.base.native.formats import HEAD, machines_in
from bundle.model.platforms import Platform, platforms_of

_DEEPEST = 3
"""Folders above the interpreter that an archive may have, as in `python/install/bin`."""

_POSIX_NAME = re.compile(r"python3\.(\d+)")


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """An interpreter as it came out of its archive."""

    root: Path
    """The folder that holds `bin` and `lib`, or `python.exe`."""
    python: str
    """The version that its own files say."""


def unpack(archive: Path, folder: Path, platform: Platform, *, name: str) -> Unpacked:
    """Unpack an archive and find the interpreter in it.

    Args:
        archive: tar with any compression, or zip.
        folder: an empty or absent folder to unpack into.
        name: of the archive, for messages.

    Raises:
        IntegrityError: the archive is damaged, or unsafe.
        ConfigError: it holds no interpreter for that platform.
    """
    from bundle.base.extract import extract

    folder.mkdir(parents=True, exist_ok=True)
    extract(archive, folder)
    for root in _folders(folder, _DEEPEST):
        if executable := _executable(root):
            break
    else:
        raise ConfigError(
            f"{name} has no Python in a known layout.",
            cause="Looked for bin/python3.* with lib/python3.*, and for python.exe with Lib, down to the third folder.",
            remedy="Name an archive of a relocatable CPython, such as python-build-standalone's install_only.",
        )
    with executable.open("rb") as file:
        built_for = machines_in(file.read(HEAD))
    if built_for is None:
        raise IntegrityError(f"{executable.name} in {name} is not a native executable: the archive is damaged.")
    fitting = platforms_of(*built_for)
    if platform.key not in fitting:
        what = " and ".join(fitting) or "an unsupported platform"
        raise ConfigError(
            f"{name} holds a Python for {what}, not for {platform.key}.",
            remedy=f"Name another archive under interpreter.archives.{platform.key}.",
        )
    unpacked = Unpacked(root=root, python=_version(root, executable, name))
    _check_complete(root / _stdlib(root, executable), name)
    return unpacked


def make(unpacked: Unpacked, request: Request, tree: Path, tools: Tools) -> About:
    """Move an unpacked interpreter out of its folder into the empty folder `tree`, and normalise it."""
    from bundle.artifacts.interpreters.portable.normalise import normalise

    for path in sorted(unpacked.root.iterdir()):
        shutil.move(path, tree / path.name)
    dropped = sorted(normalise(tree, platform=request.platform, python=unpacked.python, user_site=request.user_site))
    carried = carry(tree, request, unpacked.python, tools)
    glibc = measure_glibc(tree, request.platform, unpacked.python)
    tools.reporter.detail(f"interpreter {unpacked.python}: left out {', '.join(dropped) or 'nothing'}")
    libraries = (*_libraries(tree), *carried)
    return About(
        python=unpacked.python,
        glibc=glibc,
        licences={"CPython": "PSF-2.0", **{library.name: library.licence for library in libraries}},
        libraries=libraries,
        dropped=tuple(dropped),
        certificates=compiled_in(tree, request.platform, unpacked.python),
    )


def _folders(folder: Path, deeper: int) -> Iterator[Path]:
    """Yield a folder and those below it, the shallow ones first."""
    level = [folder]
    for _ in range(deeper + 1):
        yield from level
        level = [
            child for parent in level for child in sorted(parent.iterdir()) if child.is_dir() and not child.is_symlink()
        ]


def _executable(root: Path) -> Path | None:
    """Return the interpreter if this folder is the prefix of one."""
    for library in sorted(root.glob("lib/python3.*")):
        if _POSIX_NAME.fullmatch(library.name) and (root / "bin" / library.name).is_file():
            return root / "bin" / library.name
    if (root / "python.exe").is_file() and _inside(root, "Lib").is_dir():
        return root / "python.exe"
    return None


def _inside(root: Path, name: str) -> Path:
    """Return the entry of a name in a folder without regard to case, as Windows does."""
    return next((path for path in sorted(root.iterdir()) if path.name.casefold() == name.casefold()), root / name)


def _stdlib(root: Path, executable: Path) -> Path:
    return _inside(root, "Lib") if executable.suffix == ".exe" else root / "lib" / executable.name


def _check_complete(stdlib: Path, name: str) -> None:
    """Refuse an interpreter that nothing can be installed into."""
    schemes = stdlib / "sysconfig.py" if (stdlib / "sysconfig.py").is_file() else stdlib / "sysconfig" / "__init__.py"
    if schemes.is_file() and b"posix_local" in schemes.read_bytes():
        raise ConfigError(
            f"{name} has a Python that its distribution patched to install into dist-packages and /usr/local.",
            remedy="Name an archive of an unpatched CPython.",
        )
    if not any(stdlib.glob("ensurepip/_bundled/pip-*.whl")):
        raise ConfigError(
            f"{name} has a Python without a pip wheel in ensurepip.",
            cause="Distributions and embeddable builds remove it; without it, pip and venv do not work.",
            remedy="Name an archive with a complete standard library, such as python-build-standalone's install_only.",
        )


def _libraries(tree: Path) -> Iterator[Library]:
    """Yield the shared libraries, other than Python's own, that an interpreter carries beside it."""
    for glob in ("lib/*.so*", "lib/*.dylib", "*.dll", "DLLs/*.dll"):
        for path in sorted(tree.glob(glob)):
            if not path.is_symlink() and not path.name.startswith(("libpython", "python")):
                yield Library(name=path.name, version="", licence=licence_of(path.name))


def _version(root: Path, executable: Path, name: str) -> str:
    """Return the version that the headers say, or on Windows, where they may be left out, the executable."""
    for header in sorted((*root.glob("[iI]nclude/python3.*/patchlevel.h"), *root.glob("[iI]nclude/patchlevel.h"))):
        if match := re.search(
            r'#define\s+PY_VERSION\s+"([^"]+)"', header.read_text(encoding="utf-8", errors="replace")
        ):
            return match[1]
    if executable.suffix == ".exe" and (version := _file_version(executable)):
        return version
    raise WorkError(
        f"The version of the Python in {name} is unknown.",
        cause="It has no include/python3.*/patchlevel.h, so C extensions could not be built with it either.",
        remedy="Name an archive with the headers.",
    )


def _file_version(executable: Path) -> str | None:
    """Return the version from the resources of a Windows executable (PC/python_ver_rc.h: patch * 1000 + level)."""
    import lief

    binary = lief.PE.parse(str(executable))
    if binary is None or not binary.has_resources:
        return None
    manager = binary.resources_manager
    if isinstance(manager, lief.lief_errors):
        return None
    for version in manager.version:
        info = version.file_info
        major, minor = info.file_version_ms >> 16, info.file_version_ms & 0xFFFF
        return f"{major}.{minor}.{(info.file_version_ls >> 16) // 1000}"
    return None
