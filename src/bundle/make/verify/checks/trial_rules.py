"""The rules of the trials, the checks that run programs of the bundle."""

from __future__ import annotations

from bundle.make.verify.checks.rule import rule

_REQUIRED = "Add the package, skip it with a reason (packages.skip), or override its version (packages.overrides)."
_INTERPRETER = "Build the bundle again; `bundle interpreters` shows the source of its interpreter."

TRIAL_RULES = (
    rule(
        "requirement-missing",
        "requirements",
        "error",
        "a package requires one that is not installed (a note where it was skipped, a warning with an override or "
        "without dependencies)",
        _REQUIRED,
        acceptable=False,
    ),
    rule(
        "requirement-conflict",
        "requirements",
        "error",
        "a package requires another version of one that is installed (a warning with an override or without "
        "dependencies)",
        _REQUIRED,
        acceptable=False,
    ),
    rule(
        "pip-fails",
        "requirements",
        "error",
        "the bundle's own `pip check` does not run, or complains about something else",
        "Run it by hand in the bundle: `python -m pip check`.",
        acceptable=False,
    ),
    rule(
        "import-fails",
        "imports",
        "error",
        "a native module cannot be imported, with an error that Python raised",
        "Choose another version or build of the package, or accept the error if no program needs the module.",
    ),
    rule(
        "import-crashes",
        "imports",
        "error",
        "a native module crashes or ends the interpreter at import, or is not imported within two minutes",
        "Choose another version or build of the package.",
        acceptable=False,
    ),
    rule(
        "old-place",
        "relocation",
        "error",
        "the interpreter of a moved bundle names another place than its own",
        "Correct the interpreter's layer: its recorded paths must follow from its place.",
        acceptable=False,
    ),
    rule(
        "moved-import-fails",
        "relocation",
        "error",
        "a native module, or one of the standard library, cannot be imported in a moved bundle",
        "Let it find its libraries relative to the file (run paths with $ORIGIN).",
        acceptable=False,
    ),
    rule("module-absent", "relocation", "note", "the interpreter lacks a module of the standard library"),
    rule(
        "script-fails",
        "relocation",
        "error",
        "a script does not start in a moved bundle",
        "Correct the script or the package: everything that it needs must be in the bundle, and be found wherever "
        "the bundle is; or accept the error if no program needs the script.",
    ),
    rule(
        "venv-fails",
        "relocation",
        "error",
        "a virtual environment cannot be made with a moved bundle, or does not work",
        _INTERPRETER,
        acceptable=False,
    ),
    rule(
        "bundle-changed",
        "relocation",
        "error",
        "a file of the bundle was written, changed or removed while the bundle was used",
        "Make the program write to a folder of its user.",
        acceptable=False,
    ),
    rule("tried-in-part", "relocation", "note", "a script or virtual environment could not be tried in full"),
    rule("interpreter-fails", "", "error", "the interpreter does not start", _INTERPRETER, acceptable=False),
    rule(
        "not-run",
        "",
        "note",
        "the check did not run (inconclusive where an emulator was wanted and is missing)",
    ),
)
"""In the order of the checks."""
