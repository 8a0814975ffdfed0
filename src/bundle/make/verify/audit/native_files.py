"""The audit of native files: is each for the bundle's machine, are its libraries there, does it run on the floor."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator, Mapping

from bundle.base.native.formats import is_library_name, native_format
from bundle.base.native.native import Native
from bundle.make.verify.audit.added_folders import added_folders
from bundle.make.verify.audit.floor import above_floor, measured_floor
from bundle.make.verify.audit.libraries import judge_libraries, judge_versions, needed, through
from bundle.make.verify.audit.library_lookup import Link, Tree, links_of, run_folder
from bundle.make.verify.audit.path_files import read_start
from bundle.make.verify.checks.findings import Finding, Outcome, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.system_libraries import LINUX_RUN_PATH

_CALLED = {"elf": "ELF", "macho": "Mach-O", "pe": "PE"}

_WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - named, not used
"""Where everybody may put a file."""


def check_binaries(subject: Subject) -> Outcome:
    """Audit every ELF, Mach-O and PE file of a bundle; nothing is run, so any machine can do it for any platform."""
    platform = subject.platform
    findings: list[Finding] = []
    modules = {module.path: module for module in subject.contents.modules}
    own, natives = subject.own_natives, subject.natives
    for path, seen in sorted(subject.scanned.items()):
        kind = native_format(seen.head)
        if path in natives:
            continue
        if kind == platform.binary_format and (is_library_name(path, kind) or _started(subject, path)):
            findings.append(RULES["unreadable-binary"].finding(path, "cannot be read as a native file."))
        elif kind is None and path in modules:
            findings.append(RULES["unreadable-binary"].finding(path, "is named like a native file, but is not one."))
    others = {path: native for path, native in natives.items() if path not in own}
    tree = Tree(
        natives=own,
        links=subject.contents.links,
        executable=platform.executable(subject.contents.python),
        modules=modules.keys(),
        strangers=others.keys(),
        added=added_folders(subject, own),
    )
    links = list(links_of(tree, platform))
    findings += _strangers(subject, tree, others, links)
    findings += judge_libraries(subject, tree, links)
    findings += judge_versions(tree, links)
    findings += above_floor(subject, tree, links)
    for path, native in own.items():
        findings += _run_paths(subject, path, native)
        findings += _loading(subject, path, native)
    return Outcome(findings=tuple(findings), checked=len(natives), floor=measured_floor(own.values()))


def _started(subject: Subject, path: str) -> bool:
    """Return whether a file can be started by its place or its mode."""
    if posixpath.dirname(path) in (subject.platform.scripts, ""):
        return True
    return not subject.platform.is_windows and bool(subject.contents.files[path].st_mode & stat.S_IXUSR)


def _strangers(subject: Subject, tree: Tree, others: Mapping[str, Native], links: list[Link]) -> Iterator[Finding]:
    """Yield the findings about files for other machines: what the bundle imports, starts or loads of them cannot work.

    All others are data, such as launchers for Windows and libraries for the processes that a debugger enters.
    """
    loaded: dict[str, Link] = {}
    for link in sorted(links, key=lambda link: (not needed(tree, link), link.need.weak)):
        if link.answer.place == "stranger":
            loaded.setdefault(link.answer.file, link)
    modules = {module.path: module for module in subject.contents.modules}
    data: dict[str, Native] = {}
    for path, native in others.items():
        message = _foreign(subject, native)
        if path in loaded:
            link = loaded[path]
            severity: Severity = "error" if needed(tree, link) and not link.need.weak else "warning"
            details = (f"{link.file} needs it.", *through(link))
            yield RULES["wrong-machine"].finding(path, message, details=details, severity=severity)
        elif native.managed or native.kind == "other":
            continue
        elif path in modules:
            # One that only another Python would import is not missed where the package does without it.
            severity = "warning" if modules[path].other else "error"
            yield RULES["wrong-machine"].finding(path, message, severity=severity)
        elif posixpath.dirname(path) in (subject.platform.scripts, ""):
            yield RULES["wrong-machine"].finding(path, message)
        elif native.format == subject.platform.binary_format or is_library_name(path, subject.platform.binary_format):
            data[path] = native
    yield from _data(subject, data, tree)


def _data(subject: Subject, data: Mapping[str, Native], tree: Tree) -> Iterator[Finding]:
    owners = subject.contents.owners
    whole = {owners.get(path) for path in tree.natives}
    lacking = {
        owner for path in data if (owner := owners.get(path)) not in whole and owner and _promises(subject, owner)
    }
    for path, native in data.items():
        severity: Severity = "warning" if owners.get(path) in lacking and native.kind == "library" else "note"
        message = f"{_foreign(subject, native)[:-1]}; no module or program names it."
        yield RULES["wrong-machine"].finding(path, message, severity=severity)


def _foreign(subject: Subject, native: Native) -> str:
    machines = " and ".join(native.machines)
    if native.format == subject.platform.binary_format:
        return f"is for {machines}, and the bundle for {subject.platform.machine}."
    return f"is {_CALLED[native.format]} for {machines}, and the bundle for {subject.platform.key}."


def _promises(subject: Subject, package: str) -> bool:
    """Return whether a package's wheel says that it is for one platform only."""
    for distribution in subject.contents.distributions:
        if distribution.name == package:
            path = f"{posixpath.dirname(distribution.record)}/WHEEL"
            if path in subject.scanned:
                tags = [line for line in read_start(subject, path).splitlines() if line.startswith("Tag:")]
                return bool(tags) and not any(line.rstrip().endswith("-any") for line in tags)
    return False


def _run_paths(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
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


def _loading(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
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
