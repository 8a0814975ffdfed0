"""The rules of all checks: what each finds, how severe it is, and what to do about it."""

from __future__ import annotations

from bundle.make.verify.checks.rule import rule
from bundle.make.verify.checks.trial_rules import TRIAL_RULES

_AGAIN = "Build the bundle again; nothing may be removed from it or changed in it."
_OTHER = "Choose another version or wheel of the package, build it from source for the floor, or raise the floor."
_RELATIVE = (
    "Find what wrote it (a script's first line, sysconfig, a run path, a compiled module), and make it relative."
)
_BESIDE = "Let it find the interpreter beside it, as console scripts of the bundle do."

_AUDIT_RULES = (
    rule("record-missing", "records", "error", "a file that a RECORD names is not there", _AGAIN),
    rule("record-outside", "records", "error", "a RECORD names a file outside the bundle", _AGAIN),
    rule(
        "record-differs",
        "records",
        "error",
        "a file has another size or hash than its RECORD says (a note where two layers hold it, as the build said)",
        "Build the bundle again, or unpack its archive again.",
    ),
    rule(
        "record-unlisted",
        "records",
        "error",
        "a file among those of a package is in no RECORD (a note where it lies among no package's files, or "
        "copyFiles put it there)",
        "Build the bundle again, or accept the finding: uninstalling or inspecting the package will miss the file.",
    ),
    rule(
        "build-path",
        "paths",
        "error",
        "a file names a folder of the build machine (a warning for the builder's home)",
        _RELATIVE,
    ),
    rule(
        "absolute-prefix",
        "paths",
        "warning",
        "a .pc file has an absolute prefix (an error among the interpreter's own)",
        "Let the prefix follow from the file: ${pcfiledir}/../..",
    ),
    rule(
        "link-leaves",
        "paths",
        "error",
        "a symlink is absolute, or leads out of the bundle",
        "Make it a relative link to something inside, or a copy.",
    ),
    rule(
        "link-dangles",
        "paths",
        "error",
        "a symlink leads to nothing",
        "Make it a relative link to something inside, or a copy.",
    ),
    rule(
        "script-interpreter",
        "paths",
        "error",
        "a script starts an interpreter by an absolute path (a warning: by `env`)",
        _BESIDE,
    ),
    rule(
        "launcher-interpreter",
        "paths",
        "error",
        "a Windows launcher starts an interpreter by an absolute path (a warning: the first on PATH)",
        _BESIDE,
    ),
    rule("too-common", "paths", "note", "a folder's name is too short or common to be searched for"),
    rule(
        "written-by-use",
        "paths",
        "note",
        "compiled modules that Python wrote when the bundle was used; they are in no archive",
    ),
    rule(
        "wrong-machine",
        "binaries",
        "error",
        "a native file is for another machine or system than the bundle's (a warning for a program that a package "
        "keeps among its data)",
        "Fetch the package's wheel for the bundle's platform; if it is data, accept the finding.",
    ),
    rule(
        "unreadable-binary",
        "binaries",
        "error",
        "a file is named like a native one, and cannot be read as such",
        "It is damaged or not a native file: download its package again.",
    ),
    rule(
        "library-missing",
        "binaries",
        "error",
        "a needed library is neither in the bundle nor among those that the platform has (a warning where only a "
        "library wants it that no module of the bundle needs)",
        "Add the package that brings the library, repair the wheel (auditwheel, delocate, delvewheel), or accept "
        "the finding if that part is not used.",
    ),
    rule(
        "library-unreached",
        "binaries",
        "warning",
        "a needed library is in the bundle, but where the loader does not look: it works only if something has "
        "loaded it before (a note for libraries that no module needs)",
        "Give the file a run path to it ($ORIGIN, @loader_path), or accept the finding if the package loads it by "
        "hand.",
    ),
    rule(
        "library-foreign",
        "binaries",
        "error",
        "a library is needed by an absolute path that is not part of macOS",
        "Repair the wheel with delocate.",
    ),
    rule(
        "library-expected",
        "binaries",
        "note",
        "a library is needed that wheels may expect of a system, but that a minimal one lacks",
        "Install it on the target if the part of the package that needs it is used.",
    ),
    rule(
        "library-of-driver",
        "binaries",
        "note",
        "a library is needed that comes with the driver of a device",
        "Nothing, unless the target has the device but not the driver.",
    ),
    rule(
        "version-missing",
        "binaries",
        "error",
        "a library of the bundle lacks a symbol version that another one needs of it",
        "Take a newer library into the bundle, or an older wheel of the package.",
    ),
    rule(
        "glibc-above-floor",
        "binaries",
        "error",
        "a file needs a newer glibc than build.glibc allows (a warning where the interpreter, taken from the "
        "building machine, needs it as well)",
        _OTHER,
    ),
    rule(
        "libstdcxx-above-floor",
        "binaries",
        "error",
        "a file needs a newer libstdc++ or libgcc than systems with that glibc have, and the bundle has none",
        _OTHER,
    ),
    rule("macos-above-floor", "binaries", "error", "a file needs a newer macOS than build.macos allows", _OTHER),
    rule(
        "run-path-of-build",
        "binaries",
        "error",
        "a run path names a folder of the build machine",
        "Make it relative ($ORIGIN, @loader_path), for instance with patchelf --set-rpath.",
    ),
    rule(
        "run-path-leaves",
        "binaries",
        "note",
        "a run path leads out of the bundle (a warning where everyone may write there, or where it follows from "
        "the current folder)",
        "Remove it, for instance with patchelf --set-rpath; a library put there would be loaded.",
    ),
    rule(
        "program-interpreter",
        "binaries",
        "error",
        "a program names a dynamic linker that no usual system has",
        "Set the usual one, for instance with patchelf --set-interpreter.",
    ),
    rule(
        "signature-missing",
        "binaries",
        "error",
        "a Mach-O file for Apple silicon has no code signature, without which macOS kills its process",
        "Sign it where it was built (an ad-hoc signature is enough), or use the wheel as it was published.",
    ),
    rule(
        "signature-void",
        "binaries",
        "error",
        "a Mach-O file was changed after it was signed (a warning for Intel)",
        "Do not edit it, or sign it again; macOS kills the process that loads it.",
    ),
    rule(
        "case-clash",
        "names",
        "error",
        "two names differ only in case, and are one file on macOS and Windows (a warning in a bundle for Linux)",
        "Leave one of them out, or choose another version of the package.",
    ),
    rule(
        "long-path",
        "names",
        "warning",
        "a path is longer than 260 characters below a usual folder of a Windows user",
        "Unpack it near the root of a drive, or let Windows accept long paths (LongPathsEnabled).",
    ),
    rule(
        "link-on-windows",
        "names",
        "error",
        "a symlink in a bundle for Windows, which most users may not create",
        "Make it a copy.",
    ),
    rule(
        "name-on-windows",
        "names",
        "error",
        "a name that Windows reserves or forbids",
        "Leave the file out, or choose another version of the package.",
    ),
    rule(
        "licence-missing",
        "licences",
        "note",
        "a package says nothing of its licence: no expression, no field, no classifier, no file",
    ),
)

_UNUSED = rule(
    "unused-acceptance",
    "acceptances",
    "warning",
    "an entry of verify.accept accepts nothing (a note where no file of the bundle fits it)",
    "Remove the entry, so that it cannot hide the next finding.",
    acceptable=False,
)

RULES = {one.name: one for one in (*_AUDIT_RULES, *TRIAL_RULES, _UNUSED)}
"""Every rule by its name, in the order of the checks."""
