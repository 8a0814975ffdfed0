"""The rules of the checks that read files and run nothing."""

from __future__ import annotations

from functools import partial

from bundle.make.verify.checks.rule import rule

_AGAIN = "Build the bundle again; nothing may be removed from it or changed in it."
_OTHER = "Choose another version or wheel of the package, build it from source for the floor, or raise the floor."
_RELATIVE = (
    "Find what wrote it (a script's first line, sysconfig, a run path, a compiled module), and make it relative."
)
_BESIDE = "Let it find the interpreter beside it, as console scripts of the bundle do."
_LINK = "Make it a relative link to something inside, or a copy."
_MISTAKE = "Choose another version of the package, or accept the mistake of its publisher: the wheel's hash holds."

_files = partial(rule, "files", acceptable=False)
_records = partial(rule, "records")
_wheels = partial(rule, "wheels")
_paths = partial(rule, "paths")
_binaries = partial(rule, "binaries")
_names = partial(rule, "names")

AUDIT_RULES = (
    _files(
        "list-missing",
        "error",
        "the bundle has no list of its files, as those of earlier versions, or it cannot be read",
        "Build the bundle again, or unpack its archive again.",
    ),
    _files(
        "list-differs",
        "error",
        "`bundle-files.json` and `bundle.json` contradict each other",
        "Build the bundle again, or unpack its archive again.",
    ),
    _files(
        "bundle-differs",
        "error",
        "the bundle or its archive is not the one that a catalogue describes (a warning if it was built since, "
        "without verification or archive)",
        "Get the bundle from its source again. If you built it yourself meanwhile, build it in full, so that the "
        "catalogue describes it.",
    ),
    _files(
        "bundle-unknown",
        "note",
        "no catalogue describes the bundle, so that it is compared with its own list only",
    ),
    _files(
        "lock-differs",
        "error",
        "the bundle has other packages than the lock of its version (a warning where a catalogue confirms the bundle)",
        "Build the bundle again, or restore the lock.",
    ),
    _files(
        "archive-index",
        "error",
        "the index of a `.tar.zst` is missing or damaged, does not fit the bundle, or does not name all that is inside",
        "Get the archive from its source again; one that another program packed has no index.",
    ),
    _files(
        "archive-surplus",
        "error",
        "an archive holds data that belongs to no entry",
        "Get the archive from its source again.",
    ),
    _files("file-removed", "error", "files that were built are missing", _AGAIN),
    _files(
        "file-changed",
        "error",
        "files have other bytes, links another target, or one became the other since they were built",
        _AGAIN,
    ),
    _files(
        "file-added",
        "error",
        "files are in no layer of the bundle, and Python did not write them by itself",
        "Find out who put them there, and remove them; packages of your own belong into a virtual environment.",
    ),
    _files(
        "compiled-differs",
        "error",
        "a compiled module that no layer has holds other code than its source (a warning where this machine has only "
        "another patch release to compile it with, a note where it has none)",
        "Find out who put it there, and remove it; Python compiles the source again.",
    ),
    _files(
        "wheel-differs",
        "error",
        "a wheel in `packages/` is not what the lock beside it says, or one of the two lacks it",
        "Build the bundle again, or unpack its archive again.",
    ),
    _files(
        "mode-changed",
        "error",
        "files have other permissions than were built (a warning in a bundle for Windows)",
        "Unpack the archive again, with a program that keeps permissions, such as tar or unzip.",
    ),
    _files("modes-unknown", "note", "permissions cannot be compared, or all of them were reduced by a umask"),
    _records("record-missing", "error", "a file that a RECORD names is not there", _AGAIN),
    _records("record-outside", "error", "a RECORD names a file outside the bundle", _AGAIN),
    _records(
        "record-differs",
        "error",
        "a file has another size or hash than its RECORD says (a note where two layers hold it, as the build said)",
        "Build the bundle again, or unpack its archive again.",
    ),
    _records(
        "record-unlisted",
        "error",
        "a file among those of a package is in no RECORD (a note where it lies among no package's files, or "
        "copyFiles put it there)",
        "Build the bundle again, or accept the finding: uninstalling or inspecting the package will miss the file.",
    ),
    _records(
        "runs-at-start",
        "warning",
        "a package brings sitecustomize or usercustomize, which every Python of the bundle runs as it starts (a note "
        "for lines of a .pth file that are run)",
        "Read the file, and decide whether every program may run it.",
    ),
    _records(
        "package-conflict",
        "error",
        "two packages bring different bytes for one path, and one of them lost its own (a warning for a file without "
        "code)",
        "Leave one of the packages out, choose versions that do not clash, or accept the finding if the file that was "
        "kept serves both.",
    ),
    _wheels(
        "wheel-record",
        "error",
        "a wheel's RECORD is wrong about a file, names one that the wheel lacks, or lacks one (a build refuses it "
        "before anything is assembled)",
        _MISTAKE,
    ),
    _wheels(
        "wheel-link",
        "error",
        "a wheel holds a link, whose target is written as a text, as pip does (a build refuses it before anything is "
        "assembled)",
        _MISTAKE,
    ),
    _wheels(
        "wheel-refused",
        "error",
        "a wheel that the bundle carries cannot be installed in it: it is unsafe, damaged, or contradicts another one",
        "Choose another version of the package, or leave one of the two out.",
        acceptable=False,
    ),
    _wheels("wheel-tags", "note", "a wheel's WHEEL file has a tag that is none; the file's name counts"),
    _paths(
        "build-path",
        "error",
        "a file names a folder of the build machine (a warning for the builder's home)",
        _RELATIVE,
    ),
    _paths(
        "absolute-prefix",
        "warning",
        "a file for compilers (.pc, .cmake) or for the shell of Windows (.bat, .cmd) names an absolute place as its "
        "own (an error in a .pc file of the interpreter)",
        "Let the place follow from the file, as in ${pcfiledir}/../.., ${CMAKE_CURRENT_LIST_DIR} and %~dp0.",
    ),
    _paths(
        "path-file-leaves",
        "error",
        "a .pth file adds a folder outside the bundle to Python's path, or belongs to an editable install",
        "Install the package itself, not a link to its sources.",
    ),
    _paths("link-leaves", "error", "a symlink is absolute, or leads out of the bundle", _LINK),
    _paths("link-dangles", "error", "a symlink leads to nothing", _LINK),
    _paths(
        "script-interpreter",
        "error",
        "a script starts a Python by an absolute path, or one beside it that is not there (a warning: by `env`, or "
        "another program that not every system has)",
        _BESIDE,
    ),
    _paths(
        "launcher-interpreter",
        "error",
        "a Windows launcher starts an interpreter by an absolute path, or one that is not in the bundle (a warning: "
        "the first on PATH)",
        _BESIDE,
    ),
    _paths("too-common", "note", "a folder's name is too short or common to be searched for"),
    _paths(
        "certificates-place",
        "note",
        "the folder in which the interpreter's OpenSSL looks for certificates (a warning where it is not one of the "
        "system's, and others might make it)",
        "Set SSL_CERT_FILE where machines have no certificates there; console scripts of the bundle do so themselves.",
    ),
    _paths(
        "written-by-use", "note", "compiled modules that Python wrote when the bundle was used; they are in no archive"
    ),
    _binaries(
        "wrong-machine",
        "error",
        "a native file that the bundle imports, starts or needs is for another machine or system (a warning for all "
        "libraries of a package whose wheel is for one platform, a note for data)",
        "Fetch the package's wheel for the bundle's platform; if it is data, accept the finding.",
    ),
    _binaries(
        "unreadable-binary",
        "error",
        "a file is named like a native one, and cannot be read as such (a warning where only parts are cut off that "
        "no loader reads)",
        "It is damaged or not a native file: download its package again.",
    ),
    _binaries(
        "library-missing",
        "error",
        "a needed library is neither in the bundle nor among those that the platform has (a warning where only a "
        "library wants it that no module of the bundle needs, and for one in /usr/lib of macOS that is not known)",
        "Add the package that brings the library, repair the wheel (auditwheel, delocate, delvewheel), or accept "
        "the finding if that part is not used.",
    ),
    _binaries(
        "library-unreached",
        "warning",
        "a needed library is in the bundle, but where the loader does not look: it works only if something has "
        "loaded it before (a note for libraries that no module needs)",
        "Give the file a run path to it ($ORIGIN, @loader_path), or accept the finding if the package loads it by "
        "hand.",
    ),
    _binaries(
        "library-foreign",
        "error",
        "a library is needed by an absolute path that is not part of macOS",
        "Repair the wheel with delocate.",
    ),
    _binaries(
        "library-expected",
        "note",
        "a library is needed that wheels may expect of a system, but that a minimal one lacks",
        "Install it on the target if the part of the package that needs it is used.",
    ),
    _binaries(
        "library-of-driver",
        "note",
        "a library is needed that comes with the driver of a device",
        "Nothing, unless the target has the device but not the driver.",
    ),
    _binaries(
        "version-missing",
        "error",
        "a library of the bundle lacks a symbol version that another one needs of it",
        "Take a newer library into the bundle, or an older wheel of the package.",
    ),
    _binaries(
        "glibc-above-floor",
        "error",
        "a file needs a newer glibc than build.glibc allows (a warning where the interpreter, taken from the "
        "building machine, needs it as well)",
        _OTHER,
    ),
    _binaries(
        "libstdcxx-above-floor",
        "error",
        "a file needs a newer libstdc++ or libgcc than systems with that glibc have, and the bundle has none",
        _OTHER,
    ),
    _binaries("macos-above-floor", "error", "a file needs a newer macOS than build.macos allows", _OTHER),
    _binaries(
        "run-path-of-build",
        "error",
        "a run path names a folder of the build machine",
        "Make it relative ($ORIGIN, @loader_path), for instance with patchelf --set-rpath.",
    ),
    _binaries(
        "run-path-leaves",
        "note",
        "a run path leads out of the bundle (a warning where everyone may write there, or where it follows from "
        "the current folder)",
        "Remove it, for instance with patchelf --set-rpath; a library put there would be loaded.",
    ),
    _binaries(
        "program-interpreter",
        "error",
        "a program names a dynamic linker that no usual system has",
        "Set the usual one, for instance with patchelf --set-interpreter.",
    ),
    _binaries(
        "signature-missing",
        "error",
        "a Mach-O file for Apple silicon has no code signature, without which macOS kills its process",
        "Sign it where it was built (an ad-hoc signature is enough), or use the wheel as it was published.",
    ),
    _binaries(
        "signature-void",
        "error",
        "a Mach-O or PE file was changed after it was signed (a warning for Intel's Macs, for packages on Windows, and "
        "for bytes behind the signature)",
        "Do not edit it, or sign it again; macOS kills the process that loads it, Windows where a policy asks for it.",
    ),
    _binaries(
        "executable-stack",
        "warning",
        "a library asks for an executable stack, or does not say that it needs none; glibc 2.41 and later does not "
        "load it",
        "Choose another version of the package, or clear the flag (patchelf --clear-execstack).",
    ),
    _binaries(
        "text-relocations",
        "warning",
        "the loader has to write into the code of a file, which SELinux and hardened systems forbid",
        "Choose another version of the package, or compile it with -fPIC.",
    ),
    _binaries(
        "processor-level",
        "warning",
        "a file says that it needs more than the first processors of x86-64 have; glibc 2.33 and later does not load "
        "it on those",
        "Choose another wheel of the package, or make sure that all machines have the level.",
    ),
    _names(
        "case-clash",
        "error",
        "two names differ only in case, and are one file on macOS and Windows (a warning in a bundle for Linux)",
        "Leave one of them out, or choose another version of the package.",
    ),
    _names(
        "long-path",
        "warning",
        "a path is longer than 260 characters below a usual folder of a Windows user",
        "Unpack it near the root of a drive, or let Windows accept long paths (LongPathsEnabled).",
    ),
    _names(
        "link-on-windows",
        "error",
        "a symlink in a bundle for Windows, which most users may not create",
        "Make it a copy.",
    ),
    _names(
        "name-on-windows",
        "error",
        "a name that Windows reserves or forbids",
        "Leave the file out, or choose another version of the package.",
    ),
    rule(
        "licences",
        "licence-missing",
        "note",
        "a package says nothing of its licence: no expression, no field, no classifier, no file",
    ),
)
"""Every rule of these checks, in the order of the checks."""
