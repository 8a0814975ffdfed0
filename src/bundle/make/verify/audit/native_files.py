"""The audit of native files: is each for the bundle's machine, are its libraries there, does it run on the floor."""

from __future__ import annotations

import os
import posixpath
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping

from bundle.base.native.formats import is_library_name, native_format
from bundle.base.native.native import Native
from bundle.base.native.read import read_native
from bundle.make.verify.audit.floor import above_floor, measured_floor
from bundle.make.verify.audit.library_lookup import Link, Place, Tree, links_of, run_folder
from bundle.make.verify.checks.findings import Finding, Outcome, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.system_libraries import WINDOWS_EXPECTED

_CALLED = {"elf": "ELF", "macho": "Mach-O", "pe": "PE"}

_WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - named, not used
"""Where everybody may put a file."""


def check_binaries(subject: Subject) -> Outcome:
    """Audit every ELF, Mach-O and PE file of a bundle; nothing is run, so any machine can do it for any platform."""
    findings: list[Finding] = []
    natives: dict[str, Native] = {}
    modules = frozenset(module.path for module in subject.contents.modules)
    for path, seen in sorted(subject.scanned.items()):
        kind = native_format(seen.head[:4])
        native = read_native(subject.root / path, subject.platform.machine) if kind else None
        if native is not None:
            natives[path] = native
        elif kind == subject.platform.binary_format and is_library_name(path):
            findings.append(RULES["unreadable-binary"].finding(path, "cannot be read as a native file."))
        elif kind is None and path in modules:
            findings.append(RULES["unreadable-binary"].finding(path, "is named like a native file, but is not one."))
    own = {
        path: native
        for path, native in natives.items()
        if native.fits(subject.platform.binary_format, subject.platform.machine)
    }
    findings += [
        finding for path, native in natives.items() if path not in own and (finding := _stranger(subject, path, native))
    ]
    tree = _tree(subject, own, modules)
    links = list(links_of(tree, subject.platform))
    findings += _libraries(tree, links)
    findings += _versions(tree, links)
    findings += above_floor(subject, tree, links)
    for path, native in own.items():
        findings += _run_paths(subject, path, native)
        findings += _system_needs(subject, path, native)
    return Outcome(findings=tuple(findings), checked=len(natives), floor=measured_floor(own.values()))


def _tree(subject: Subject, own: Mapping[str, Native], modules: frozenset[str]) -> Tree:
    links: dict[str, str] = {}
    for path, status in subject.contents.files.items():
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(subject.root / path)
            links[path] = os.path.relpath(real, subject.root).replace(os.sep, "/")
    executable = subject.platform.executable(subject.contents.python)
    return Tree(natives=own, links=links, executable=executable, modules=modules)


def _stranger(subject: Subject, path: str, native: Native) -> Finding | None:
    """Return the finding about a file of another machine that the bundle could load or start.

    Programs of other systems that packages keep as data, such as the Windows launchers in pip, do no harm.
    """
    same_system = native.format == subject.platform.binary_format
    if native.kind == "other":
        return None
    library = is_library_name(path, subject.platform.binary_format)
    started = posixpath.dirname(path) in (subject.platform.scripts, "")
    severity: Severity = "error"
    if not library and not started:
        if not same_system or subject.platform.is_windows:
            return None
        severity = "warning"
    if same_system:
        message = f"is for {' and '.join(native.machines)}, and the bundle for {subject.platform.machine}."
    else:
        called = f"{_CALLED[native.format]} for {' and '.join(native.machines)}"
        message = f"is {called}, and the bundle for {subject.platform.key}."
    return RULES["wrong-machine"].finding(path, message, severity=severity)


def _libraries(tree: Tree, links: list[Link]) -> Iterator[Finding]:
    modules = frozenset(tree.modules)
    shared: defaultdict[tuple[Place, str], list[Link]] = defaultdict(list)
    for link in links:
        wanted = link.root in modules or tree.natives[link.root].kind == "executable"
        name = link.need.name
        through = (f"It is loaded for {link.root}.",) if link.root != link.file else ()
        place, found = link.answer
        if place in ("expected", "driver"):
            shared[place, name].append(link)
        elif place == "elsewhere":
            severity: Severity = "warning" if wanted and not link.need.weak else "note"
            message = f"needs {name}, which is in the bundle as {found}, where the loader does not look."
            yield RULES["library-unreached"].finding(link.file, message, details=through, severity=severity)
        elif place == "foreign" and not link.need.weak:
            severity = "error" if wanted else "warning"
            message = f"needs {name}, which is not part of macOS."
            yield RULES["library-foreign"].finding(link.file, message, details=through, severity=severity)
        elif place in ("foreign", "nowhere"):
            severity = "note" if link.need.weak else "error" if wanted else "warning"
            message = f"needs {name}, which is neither in the bundle nor part of the system."
            yield RULES["library-missing"].finding(link.file, message, details=through, severity=severity)
    for (place, name), users in sorted(shared.items()):
        yield _shared(place, name, users)


def _shared(place: Place, name: str, users: list[Link]) -> Finding:
    """Return one finding for a library of the system that many files need."""
    files = [link.file for link in users]
    others = len(files) - 1
    more = f", as {others} more {'file does' if others == 1 else 'files do'}" if others else ""
    details = files[:5]
    if place == "driver":
        message = f"needs {name}, which comes with a driver{more}."
        return RULES["library-of-driver"].finding(files[0], message, details=details)
    redistributable = name.lower() in WINDOWS_EXPECTED
    owner = "Microsoft's Visual C++ redistributable" if redistributable else "the system"
    severe = redistributable and not all(link.need.weak for link in users)
    message = f"needs {name} of {owner}{more}."
    return RULES["library-expected"].finding(files[0], message, details=details, severity="warning" if severe else None)


def _versions(tree: Tree, links: list[Link]) -> Iterator[Finding]:
    """Compare the symbol versions that files need of libraries in the bundle with those that these have."""
    for link in links:
        if link.answer.place != "inside" or not link.need.versions:
            continue
        provider = tree.natives[link.answer.file]
        # A library without any versions is taken as it is, with a complaint on the target's terminal.
        missing = [version for version in link.need.versions if provider.defines and version not in provider.defines]
        if missing:
            message = f"needs {', '.join(missing)} of {link.answer.file}, which does not have it."
            yield RULES["version-missing"].finding(link.file, message)


def _run_paths(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
    for entry in native.run_paths:
        folder = run_folder(entry, path)
        if folder is not None:
            if folder == ".." or folder.startswith("../"):
                yield RULES["run-path-leaves"].finding(
                    path, f"has the run path {entry}, which leads out of the bundle."
                )
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


def _system_needs(subject: Subject, path: str, native: Native) -> Iterator[Finding]:
    """Yield the objections of the system: an unknown dynamic linker, a missing or void signature."""
    if native.kind == "executable" and native.interpreter and native.interpreter not in subject.platform.loaders:
        message = f"asks for the dynamic linker {native.interpreter}."
        yield RULES["program-interpreter"].finding(path, message)
    silicon = subject.platform.machine == "arm64"
    if native.signature == "none" and silicon:
        yield RULES["signature-missing"].finding(path, "is for Apple silicon, and not signed.")
    elif native.signature == "void":
        message = "was changed after it was signed."
        yield RULES["signature-void"].finding(path, message, severity=None if silicon else "warning")
