"""A stand-in for a CPython 3.12 on macOS, in the layout of the releases; no registry serves a real one.

What it proves: that an archive in that layout is recognised, checked, normalised and becomes a bundle whose files are
all where macOS expects them; that no byte of a Mach-O file changes on the way (each is a real one from a macOS wheel,
those for ARM with a real signature); that sysconfig and scripts come out relative; that the audit can judge it.

What it does not prove: that anything runs. `bin/python3.12` is ruff, `lib/libpython3.12.dylib` a compression library,
and the modules in `lib-dynload` are those of other packages. The standard library is this machine's, pure Python alone;
the headers are this machine's as well, so nothing could be compiled against them for macOS.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import zipfile
from pathlib import Path
from pprint import pformat

from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.source import Offer, Request
from bundle.base.files import sha256_of
from bundle.model.config.config import Interpreter
from bundle.model.platforms import PLATFORMS, platform_of
from tests.foreign.downloads import project_file
from tests.foreign.prepared import Prepared, kept_archive

_RECIPE = "1"
"""Raised whenever the same files become another tree."""

_MACHINES = {"macosx-x64": "x86_64", "macosx-aarch64": "arm64"}

_WHEELS = {
    "ruff": (r"ruff-0\.9\.9-py3-none-macosx_\w+_{machine}\.whl", {r".*\.data/scripts/ruff": "bin/python3.12"}),
    "pillow": (
        r"pillow-11\.3\.0-cp312-cp312-macosx_\w+_{machine}\.whl",
        {
            r"PIL/\.dylibs/liblzma\.5\.dylib": "lib/libpython3.12.dylib",
            r"PIL/(_imagingmath\.\S+\.so)": r"lib/python3.12/lib-dynload/\1",
        },
    ),
    "markupsafe": (
        r"markupsafe-3\.0\.3-cp312-cp312-macosx_\w+_{machine}\.whl",
        {r"markupsafe/(_speedups\.\S+\.so)": r"lib/python3.12/lib-dynload/\1"},
    ),
}
"""Wheels by project: the file's name, and what becomes of the files in it."""

_LEFT = ("__pycache__", "test", "site-packages", "config-*", "lib-dynload", "_sysconfigdata*", "idlelib", "*.so")
"""What of this machine's standard library says nothing about macOS."""


class NoPythonError(LookupError):
    """This machine has no CPython 3.12 that lends its standard library."""


def prepare(key: str) -> Prepared:
    """Return the stand-in for one of the macOS platforms, made on first use.

    Args:
        key: the platform's.
    """
    machine = _MACHINES[key]
    wheels = {project: _wheel(project, machine) for project in _WHEELS}
    offer = _host()
    name = f"cpython-{offer.python}-stand-in-{PLATFORMS[key].triple}.tar.zst"
    hashes = [f"{project} {sha256_of(wheel)}" for project, wheel in sorted(wheels.items())]

    def assemble(tree: Path) -> None:
        prefix = Path(offer.location)
        ignored = shutil.ignore_patterns(*_LEFT)
        shutil.copytree(prefix / "lib/python3.12", tree / "lib/python3.12", ignore=ignored)
        shutil.copytree(prefix / "include/python3.12", tree / "include/python3.12")
        for project, wheel in wheels.items():
            _place(wheel, _WHEELS[project][1], tree)
        for link in ("python3", "python"):
            (tree / "bin" / link).symlink_to("python3.12")
        (tree / "bin/pip3.12").write_text("#!/install/bin/python3.12\nimport pip\n")
        (tree / "lib/pkgconfig").mkdir()
        (tree / "lib/pkgconfig/python-3.12.pc").write_text(_PKGCONFIG)
        (tree / "lib/python3.12/_sysconfigdata__darwin_darwin.py").write_text(_sysconfigdata(machine))

    shaped_by = "\n".join((_RECIPE, key, offer.python, *hashes))
    return Prepared(key=key, python=offer.python, path=kept_archive(name, shaped_by, assemble))


def _host() -> Offer:
    machine = platform_of(platform.system(), platform.machine())
    if machine is None:
        raise NoPythonError("this machine is none of the known platforms")
    request = Request(
        python="3.12.1", platform=machine, config=Interpreter(), machine=machine, environ=dict(os.environ)
    )
    for answer in Host().offers(request):
        if isinstance(answer, Offer):
            return answer
    raise NoPythonError("this machine has no CPython 3.12 that lends its standard library")


def _wheel(project: str, machine: str) -> Path:
    pattern = re.compile(_WHEELS[project][0].format(machine=machine), re.IGNORECASE)
    return project_file(project, lambda name: pattern.fullmatch(name) is not None)


def _place(wheel: Path, places: dict[str, str], tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for pattern, place in places.items():
            found = [match for name in archive.namelist() if (match := re.fullmatch(pattern, name))]
            if not found:
                raise LookupError(f"{wheel.name} holds no {pattern}")
            for match in found:
                target = tree / match.expand(place)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(match[0]))
                target.chmod(0o755)


def _sysconfigdata(machine: str) -> str:
    """Return what a build of CPython for macOS records, as far as it is needed."""
    platforms = "/Applications/Xcode_15.2.app/Contents/Developer/Platforms"
    sdk = f"-isysroot {platforms}/MacOSX.platform/Developer/SDKs/MacOSX14.2.sdk"
    flags = f"-arch {machine} -mmacosx-version-min=11.0 {sdk}"
    variables: dict[str, str | int] = {
        "AR": "/private/var/folders/tmp/tools/clang/bin/llvm-ar",
        "BINDIR": "/install/bin",
        "BLDSHARED": f"clang -bundle -undefined dynamic_lookup {flags} -L/private/var/folders/tmp/tools/deps/lib",
        "CC": "clang",
        "CFLAGS": f"-Wno-unused-result -DNDEBUG -g -O3 -Wall {flags} -I/private/var/folders/tmp/tools/deps/include",
        "CONFIG_ARGS": "'--prefix=/install' '--enable-shared' '--with-openssl=/private/var/folders/tmp/tools/deps'",
        "CXX": "clang++",
        "EXT_SUFFIX": ".cpython-312-darwin.so",
        "INCLUDEPY": "/install/include/python3.12",
        "LDSHARED": f"clang -bundle -undefined dynamic_lookup {flags} -L/private/var/folders/tmp/tools/deps/lib",
        "LDVERSION": "3.12",
        "LIBDIR": "/install/lib",
        "LIBPL": "/install/lib/python3.12/config-3.12-darwin",
        "LIBS": "-ldl -framework CoreFoundation",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "MULTIARCH": "darwin",
        "Py_ENABLE_SHARED": 1,
        "SHLIB_SUFFIX": ".so",
        "SOABI": "cpython-312-darwin",
        "VERSION": "3.12",
        "abs_builddir": "/private/var/folders/tmp/build/Python-3.12",
        "abs_srcdir": "/private/var/folders/tmp/build/Python-3.12",
        "exec_prefix": "/install",
        "prefix": "/install",
    }
    return (
        f"# system configuration generated and used by the sysconfig module\nbuild_time_vars = {pformat(variables)}\n"
    )


_PKGCONFIG = """prefix=/install
exec_prefix=${prefix}
libdir=${exec_prefix}/lib
includedir=${prefix}/include

Name: Python
Description: Build a C extension for Python
Requires:
Version: 3.12
Libs.private: -ldl -framework CoreFoundation
Libs:
Cflags: -I${includedir}/python3.12
"""
