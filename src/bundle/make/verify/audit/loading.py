"""The findings about single native files: what a system's loader, processor or policy objects to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from bundle.base.native.native import Native
from bundle.make.verify.audit.library_lookup import run_folder
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.system_libraries import LINUX_RUN_PATH

_WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - named, not used
"""Where everybody may put a file."""


def judge_run_paths(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
    """Yield the findings about run paths that leave the bundle."""
    for entry in native.run_paths:
        folder = run_folder(entry, path)
        if entry == LINUX_RUN_PATH:
            continue
        if folder is not None:
            if folder == ".." or folder.startswith("../"):
                message = f"has the run path {entry}, which leads out of the bundle."
                yield RULES["run-path-leaves"].finding(path, message)
        elif any(entry == str(place) or entry.startswith(f"{place}/") for place in subject.policy.forbidden):
            message = f"has the run path {entry}, a folder of the build machine."
            yield RULES["run-path-of-build"].finding(path, message)
        else:
            risky = not entry.startswith("/") or entry.startswith(_WRITABLE)
            where = "where everyone may write" if entry.startswith(_WRITABLE) else "outside of the bundle"
            if not entry.startswith("/"):
                where = "which depends on the current folder"
            message = f"has the run path {entry}, {where}."
            yield RULES["run-path-leaves"].finding(path, message, severity="warning" if risky else None)


def judge_loading(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
    """Yield what keeps some systems from loading or starting a file."""
    if native.kind == "executable" and native.interpreter and native.interpreter not in subject.platform.loaders:
        message = f"asks for the dynamic linker {native.interpreter}."
        yield RULES["program-interpreter"].finding(path, message)
    # A program with such a stack starts everywhere, and its libraries may then have one, too.
    if native.kind == "library" and native.executable_stack:
        yield RULES["executable-stack"].finding(path, "asks for an executable stack.")
    if native.text_relocations:
        yield RULES["text-relocations"].finding(path, "has relocations in its code.")
    if native.level > 1:
        message = f"says that it needs a processor of level x86-64-v{native.level}."
        yield RULES["processor-level"].finding(path, message)
    if native.cut_off:
        message = "is cut off: parts that no loader reads are missing."
        yield RULES["unreadable-binary"].finding(path, message, severity="warning")
    yield from _signature(subject, path, native)


def _signature(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
    silicon = subject.platform.system == "macosx" and subject.platform.machine == "arm64"
    void = RULES["signature-void"]
    if native.signature == "none" and silicon:
        yield RULES["signature-missing"].finding(path, "is for Apple silicon, and not signed.")
    elif native.signature == "void":
        # Windows checks libraries only where a policy asks for it; those of the interpreter are never edited.
        launcher = posixpath.dirname(path) == subject.platform.scripts and path.endswith(".exe")
        own = subject.platform.is_windows and subject.contents.is_interpreters(path) and not launcher
        severe = silicon or own
        yield void.finding(path, "was changed after it was signed.", severity=None if severe else "warning")
    elif native.signature == "followed":
        yield void.finding(path, "has bytes behind its signature, which it does not cover.", severity="warning")
