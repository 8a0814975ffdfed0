"""The oldest system that native files run on, measured and compared with the floor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from bundle.artifacts.interpreters.host import NAME as HOST
from bundle.base.native.native import Native, dotted
from bundle.make.verify.audit.library_lookup import Link, Tree
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.system_libraries import CARRIED, SYMBOL_VERSIONS
from bundle.model.windows_libraries import windows_since

_RUNTIME = re.compile(r"(GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)+)")
"""Symbol versions of libstdc++ and libgcc_s."""


def measured_floor(natives: Iterable[Native]) -> dict[str, str]:
    """Return the oldest system that native files run on, as `{"glibc": "2.28"}`; empty if unknown."""
    floor = {"glibc": "", "macos": "", "windows": ""}
    for native in natives:
        floor["glibc"] = max(floor["glibc"], native.glibc, key=dotted)
        if native.format == "macho":
            floor["macos"] = max(floor["macos"], native.minimum, key=dotted)
        elif native.format == "pe":
            since = (windows_since(need.name.lower()) for need in native.needs if not need.weak)
            floor["windows"] = max(floor["windows"], native.minimum, *since, key=dotted)
    return {name: value for name, value in floor.items() if value}


def above_floor(subject: Subject, tree: Tree, links: Iterable[Link]) -> Iterator[Finding]:
    """Yield the files that need a newer system than the floor.

    The interpreter of a host cannot run below that host's glibc: its files are a warning, and so are
    files that need no more.
    """
    if subject.platform.system == "macosx":
        floor = subject.policy.floors.macos
        for path, native in tree.natives.items():
            if dotted(native.minimum) > dotted(floor):
                message = f"needs macOS {native.minimum}; the floor is {floor} (build.macos)."
                yield RULES["macos-above-floor"].finding(path, message)
    elif subject.platform.system == "linux":
        yield from _glibc(subject, tree)
        yield from _runtime(subject, links)


def _glibc(subject: Subject, tree: Tree) -> Iterator[Finding]:
    floor = subject.policy.floors.glibc
    above = {path: native.glibc for path, native in tree.natives.items() if dotted(native.glibc) > dotted(floor)}
    of_host: dict[str, str] = {}
    if subject.manifest.python.source == HOST:
        of_host = {path: glibc for path, glibc in above.items() if subject.contents.is_interpreters(path)}
    reached = max(of_host.values(), key=dotted, default="")
    rule = RULES["glibc-above-floor"]
    if of_host:
        message = (
            f"was taken from the build machine with {len(of_host) - 1} more files of the interpreter, and needs "
            f"glibc {reached}; the floor is {floor} (build.glibc)."
        )
        versions = sorted(set(of_host.values()), key=dotted, reverse=True)
        details = [f"{glibc}: {', '.join(path for path in of_host if of_host[path] == glibc)}" for glibc in versions]
        yield rule.finding(tree.executable, message, details=details, severity="warning")
    for path, glibc in above.items():
        if path not in of_host:
            bearable = dotted(glibc) <= dotted(reached)
            message = f"needs glibc {glibc}; the floor is {floor} (build.glibc)."
            more = ("The interpreter of the build machine needs as much.",) if bearable else ()
            yield rule.finding(path, message, details=more, severity="warning" if bearable else None)


def _runtime(subject: Subject, links: Iterable[Link]) -> Iterator[Finding]:
    floor = subject.policy.floors.glibc
    known = _known(floor)
    for link in links:
        # Of the libraries that are carried, the loader takes those of the system where there are any.
        if link.answer.place != "expected" and not link.answer.file.startswith(f"{CARRIED}/"):
            continue
        newer = []
        for version in link.need.versions:
            match = _RUNTIME.fullmatch(version)
            if match and dotted(match[2]) > dotted(known.get(match[1], "")):
                newer.append(version)
        if newer:
            newest = max(newer, key=dotted)
            message = (
                f"needs {newest} of {link.need.name}, which the bundle does not bring for all systems, and which "
                f"systems with glibc {floor} do not have."
            )
            yield RULES["libstdcxx-above-floor"].finding(link.file, message)


def _known(floor: str) -> Mapping[str, str]:
    """Return the newest symbol versions that every system with a glibc has."""
    reached = [glibc for glibc in SYMBOL_VERSIONS if dotted(glibc) <= dotted(floor)]
    return SYMBOL_VERSIONS[max(reached, key=dotted)] if reached else {}
