"""The libraries that an emulator's place lacks though the audit expects them of every system of the platform."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable

from bundle.base.errors import WorkError
from bundle.make.verify.audit.library_lookup import Link, Tree, links_of
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.missing.incomplete import Incomplete, Lacking
from bundle.make.verify.trials.isolation import Isolation

_TIMEOUT = 120.0

_SHOWN = 5

_ASK = """
import ctypes, json, sys
if sys.platform == "win32":
    # As a file only: its own libraries are asked for by their names.
    find = ctypes.WinDLL("kernel32").LoadLibraryExW
    find.restype = ctypes.c_void_p
    has = lambda name: bool(find(name, None, 1))
else:
    def has(name):
        try:
            ctypes.CDLL(name)
        except OSError as error:
            return "cannot open shared object file" not in str(error)
        return True
print(json.dumps([name for name in json.load(sys.stdin) if not has(name)]))
"""


def without_missing_libraries(subject: Subject, isolation: Isolation) -> tuple[Isolation, tuple[Finding, ...]]:
    """Ask the place where a bundle runs for the libraries that the audit expects of it.

    Returns:
        the bundle where it runs, and a note if the place lacks any.
    """
    contents, platform = subject.contents, subject.platform
    tree = Tree(
        natives=subject.own_natives,
        links=contents.links,
        executable=platform.executable(contents.python),
        modules=[module.path for module in contents.modules],
    )
    links = list(links_of(tree, platform))
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.answer.place in ("base", "expected") and not link.need.weak:
            wanted[link.need.name].add(link.file)
    missing = _missing(isolation, sorted(wanted))
    if not missing:
        return isolation, ()
    files = without(links, missing)
    modules = {module.name: files[module.path] for module in contents.modules if module.path in files}
    lacking = Lacking(libraries=tuple(missing), files=files, modules=modules)
    message = f"lacks {', '.join(missing)}: {len(files)} files of the bundle cannot be loaded here."
    subject.reporter.info(f"{isolation.runner.place} {message} What fails for it is inconclusive.")
    details = [f"{name}: needed by {', '.join(sorted(wanted[name])[:_SHOWN])}" for name in missing]
    found = RULES["system-lacks"].about(isolation.runner.place, message, check="imports", details=details)
    return Incomplete(**vars(isolation), lacking=lacking), (found,)


def without(links: Iterable[Link], missing: Collection[str]) -> dict[str, str]:
    """Return the missing library by path of each file that cannot be loaded for it, the files of others included."""
    files: dict[str, str] = {}
    users: defaultdict[str, list[str]] = defaultdict(list)
    for link in links:
        if link.need.weak:
            continue
        if link.need.name in missing and link.answer.place in ("base", "expected"):
            files.setdefault(link.file, link.need.name)
        elif link.answer.file:
            users[link.answer.file].append(link.file)
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        for user in users[file]:
            if user not in files:
                files[user] = files[file]
                waiting.append(user)
    return files


def _missing(isolation: Isolation, names: list[str]) -> list[str]:
    """Return the libraries that the place's own loader does not find; none if the interpreter cannot ask it."""
    try:
        # Without `site`, so that no file of a package answers in the interpreter's place.
        asked = isolation.run_python(["-S", "-c", _ASK], timeout=_TIMEOUT, stdin=json.dumps(names).encode())
    except WorkError:
        return []
    try:
        answer = json.loads(asked.output)
    except ValueError:
        return []
    return [name for name in names if isinstance(answer, list) and name in answer]
