"""The rules of all checks: what each finds, how severe it is, and what to do about it."""

from __future__ import annotations

from functools import partial

from bundle.make.verify.checks.audit_rules import AUDIT_RULES
from bundle.make.verify.checks.rule import rule

_REQUIRED = "Add the package, skip it with a reason (packages.skip), or override its version (packages.overrides)."
_INTERPRETER = "Build the bundle again; `bundle interpreters` shows the source of its interpreter."

_requirements = partial(rule, "requirements", acceptable=False)
_imports = partial(rule, "imports")
_relocation = partial(rule, "relocation", acceptable=False)

_ALL = (
    *AUDIT_RULES,
    _requirements(
        "requirement-missing",
        "error",
        "a package requires one that is not installed (a note where it was skipped, a warning with an override or "
        "without dependencies)",
        _REQUIRED,
    ),
    _requirements(
        "requirement-conflict",
        "error",
        "a package requires another version of one that is installed (a warning with an override or without "
        "dependencies)",
        _REQUIRED,
    ),
    _requirements(
        "pip-fails",
        "error",
        "the bundle's own `pip check` does not run, or complains about something else",
        "Run it by hand in the bundle: `python -m pip check`.",
    ),
    _requirements(
        "install-fails",
        "error",
        "the bundle's own pip does not install the wheels that the bundle carries, offline and by their hashes, into a "
        "virtual environment",
        "Run it by hand with the bundle's Python: `python -m pip install --no-index --find-links packages`.",
    ),
    _imports(
        "import-fails",
        "error",
        "a native module, or a package that opens a library by hand, cannot be imported, with an error that Python "
        "raised (a warning in a package's tests; a note where only a module is missing that the package does not "
        "require, or Tk)",
        "Choose another version or build of the package, or accept the error if no program needs the module.",
    ),
    _imports(
        "import-crashes",
        "error",
        "a module crashes or ends the interpreter at import, or is not imported within two minutes (a warning for "
        "one that only waits and is not native)",
        "Choose another version or build of the package.",
        acceptable=False,
    ),
    _relocation(
        "old-place",
        "error",
        "the interpreter of a moved bundle names another place than its own",
        "Correct the interpreter's layer: its recorded paths must follow from its place.",
    ),
    _relocation(
        "moved-import-fails",
        "error",
        "a native module, or one of the standard library, cannot be imported in a moved bundle",
        "Let it find its libraries relative to the file (run paths with $ORIGIN).",
    ),
    _relocation("module-absent", "note", "the interpreter lacks a module of the standard library"),
    _relocation(
        "script-fails",
        "error",
        "a script does not start in a moved bundle (a note for one of an extra that was not asked for, or that only "
        "lacks a module that its package does not require; a warning where a required package no longer brings it)",
        "Correct the script or the package: everything that it needs must be in the bundle, and be found wherever "
        "the bundle is; or accept the error if no program needs the script.",
        acceptable=True,
    ),
    _relocation(
        "venv-fails",
        "error",
        "a virtual environment cannot be made with a moved bundle, or does not work",
        _INTERPRETER,
    ),
    _relocation(
        "bundle-changed",
        "error",
        "a file of the bundle was written, changed or removed while the bundle was used",
        "Make the program write to a folder of its user.",
    ),
    _relocation("tried-in-part", "note", "a script or virtual environment could not be tried in full"),
    rule("", "interpreter-fails", "error", "the interpreter does not start", _INTERPRETER, acceptable=False),
    rule(
        "",
        "system-lacks",
        "note",
        "the emulator's system lacks libraries that all usual systems of the platform have; what fails for that is "
        "inconclusive",
        "Give it a system that has them.",
    ),
    rule("", "not-run", "note", "the check did not run (inconclusive where an emulator was wanted and is missing)"),
    rule(
        "acceptances",
        "unused-acceptance",
        "warning",
        "an entry of verify.accept accepts nothing (a note where no file of the bundle fits it)",
        "Remove the entry, so that it cannot hide the next finding.",
        acceptable=False,
    ),
)

RULES = {one.name: one for one in _ALL}
"""Every rule by its name, in the order of the checks."""
