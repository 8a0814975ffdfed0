"""The rules for normalising an interpreter, kept, dropped and rewritten parts: data, no code.

Globs are relative to the tree; `*` stays within one name, `**/` means any depth. `{stdlib}` stands for the standard
library's folder. A change of a rule, here or in a module that applies them, must raise `INTERPRETER` in
`bundle.model.revisions`.
"""

from __future__ import annotations

DROP = (
    "**/__pycache__",
    "{stdlib}/site-packages",
    "{stdlib}/test",
    "{stdlib}/*/test",
    "{stdlib}/*/tests",
    "{stdlib}/idlelib",
    "{stdlib}/turtledemo",
    "{stdlib}/config-*",
    "{stdlib}/EXTERNALLY-MANAGED",
    "{stdlib}/_sysconfig_vars_*.json",
    "{stdlib}/build-details.json",
    "{stdlib}/lib-dynload/_test*",
    "{stdlib}/lib-dynload/_ctypes_test*",
    "{stdlib}/lib-dynload/_xxtest*",
    "{stdlib}/lib-dynload/xxlimited*",
    "{stdlib}/lib-dynload/xxsubtype*",
    "lib/libpython*.a",
    "share/man",
    "share/doc",
    "share/gdb",
    "DLLs/_test*",
    "DLLs/_ctypes_test*",
    "DLLs/*.pdb",
    "libs/*.pdb",
    "*.pdb",
    "*._pth",
    "pyvenv.cfg",
    "NEWS.txt",
    "Doc",
    "Scripts",
    "Tools",
)
"""Left out of every interpreter: tests, the graphical editor, static libraries and the Makefile that goes
with them (it is a record of the build machine), debug databases, manuals, installed packages, and files
that would make Python look elsewhere than beside itself, or nowhere else than in its standard library (`._pth`)."""

WINDOWS_FOLDERS = ("DLLs", "Include", "Lib", "Scripts", "libs", "tcl")
"""The one spelling that folders get on Windows, where archives differ in it: two would be one folder there."""

DROP_FROM_HOST = (
    "{stdlib}/tkinter",
    "{stdlib}/turtle.py",
    "{stdlib}/lib-dynload/_tkinter*",
    "{stdlib}/lib-dynload/nis.*",
)
"""Left out of a host's interpreter as well: Tk needs many libraries of the desktop, and NIS those of Kerberos."""

EXPECTED_BY_WHEELS = ("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1")
"""Libraries that wheels may rely on by PEP 600, and that a system with nothing but glibc lacks."""

LICENCES = {
    "libbz2": "bzip2-1.0.6",
    "libcrypt": "LGPL-2.1-or-later",
    "libcrypto": "Apache-2.0",
    "libdb": "Sleepycat",
    "libedit": "BSD-3-Clause",
    "libexpat": "MIT",
    "libffi": "MIT",
    "libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgdbm": "GPL-3.0-or-later",
    "libgdbm_compat": "GPL-3.0-or-later",
    "liblzma": "LicenseRef-public-domain OR 0BSD",
    "libmpdec": "BSD-2-Clause",
    "libncurses": "X11-distribute-modifications-variant",
    "libncursesw": "X11-distribute-modifications-variant",
    "libpanel": "X11-distribute-modifications-variant",
    "libpanelw": "X11-distribute-modifications-variant",
    "libreadline": "GPL-3.0-or-later",
    "libsqlite3": "blessing",
    "libssl": "Apache-2.0",
    "libstdc++": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libtinfo": "X11-distribute-modifications-variant",
    "libuuid": "BSD-3-Clause",
    "libz": "Zlib",
    "libzstd": "BSD-3-Clause OR GPL-2.0-only",
    "sqlite3": "blessing",
    "tcl": "TCL",
    "tk": "TCL",
    "vcruntime": "LicenseRef-Microsoft-Visual-C-Runtime",
    "zlib": "Zlib",
}
"""SPDX expressions of the libraries that interpreters are linked with, by file name without versions and `.so`,
`.dylib` or `.dll`."""

LICENCES_OF_STANDALONE = {
    "bzip2": "bzip2-1.0.6",
    "expat": "MIT",
    "libffi": "MIT",
    "mpdecimal": "BSD-2-Clause",
    "ncurses": "X11-distribute-modifications-variant",
    "OpenSSL": "Apache-2.0",
    "SQLite": "blessing",
    "xz": "0BSD",
    "zlib": "Zlib",
}
"""Libraries linked into the interpreters of python-build-standalone, by its own documentation."""

PROGRAMS = {
    "AR": "ar",
    "BLDSHARED": "cc",
    "CC": "cc",
    "CPP": "cc",
    "CXX": "c++",
    "CXXCPP": "c++",
    "LD": "ld",
    "LDCXXSHARED": "c++",
    "LDSHARED": "cc",
    "LINKCC": "cc",
    "MAINCC": "cc",
    "NM": "nm",
    "OBJCOPY": "objcopy",
    "RANLIB": "ranlib",
    "READELF": "readelf",
    "STRIP": "strip",
}
"""The sysconfig variables whose first word is a program that builds of C extensions start, and the program that every
machine with a compiler has for it (POSIX; binutils)."""

USUAL_PROGRAMS = frozenset({*PROGRAMS.values(), "cpp", "g++", "gcc", ":"})
"""Programs that stay as they were recorded: plain names that every machine with a compiler has. All others, such as
`clang-17`, `x86_64-linux-gnu-gcc`, `zig cc` and whatever has a path, are its maker's."""

SYSTEM_VARIABLES = ("INSTALL", "INSTALL_*", "MKDIR_P", "SHELL", "TZPATH")
"""Globs of the sysconfig variables that speak of the system, even where an interpreter stood in its prefix."""

SYSTEM_FOLDERS = ("/System/", "/lib/", "/lib64/", "/usr/")
"""Where flags for compilers may point: folders of the system, which every machine has. Any other is one of the build
machine's."""

FOREIGN_FLAGS = (
    "-fdebug-default-version=4",
    "-flto=thin",
    "-fuse-ld=*",
    "-g",
    "--rtlib=*",
    "--target=*",
    "-rtlib=*",
    "-target=*",
    "--unwindlib=*",
    "-unwindlib=*",
)
"""Globs of compiler flags that are dropped: those that only the compiler of the build machine knows, or that choose the
machine for a cross compiler, and the one that would record the paths of a later build of a C extension."""

FOREIGN_FLAGS_WITH_FOLDER = ("--sysroot=*", "-isysroot=*", "-B*/*", "--gcc-toolchain=*")
"""Globs of flags that are dropped for any folder: they replace the system of the machine that compiles."""

OWN_BINARIES = ("bin/*", "lib/libpython*", "{stdlib}/lib-dynload/*")
"""Globs of the native files that CPython's own build makes: they hold its prefix."""
