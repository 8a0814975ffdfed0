"""Whether every name of a bundle can exist where it goes: case, length, reserved names, links."""

from __future__ import annotations

import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

CHECK = "names"

LONGEST = 259
"""Characters that a path on Windows may have, the end mark aside (MAX_PATH)."""

USUAL_ROOT = len(r"C:\Users\12345678901234567890\AppData\Local\bundle\bundles\3.12.10-variant\windows-x64" + "\\")
"""Characters of a folder where a user with a name of twenty letters may have a bundle."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?", re.IGNORECASE)
_IMPOSSIBLE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')


def check_names(subject: Subject) -> Outcome:
    """Look at the name of everything in a bundle."""
    files = subject.contents.files
    findings = list(_clashes(files, severe=subject.platform.system != "linux"))
    if subject.platform.is_windows:
        links = (path for path, status in files.items() if stat.S_ISLNK(status.st_mode))
        findings += (RULES["link-on-windows"].finding(path, "is a symlink.") for path in sorted(links))
        findings += _windows(files)
    return Outcome(findings=tuple(findings), checked=len(files))


def _clashes(paths: Iterable[str], *, severe: bool) -> Iterator[Finding]:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        alike[path.casefold()].append(path)
    for names in alike.values():
        first, *others = sorted(names)
        for path in others:
            if path.rpartition("/")[0] == first.rpartition("/")[0]:  # Else the folders above say it for all in them.
                message = f"differs only in case from {first.rpartition('/')[2]}."
                yield RULES["case-clash"].finding(path, message, severity=None if severe else "warning")


def _windows(paths: Iterable[str]) -> Iterator[Finding]:
    too_long = sorted((path for path in paths if USUAL_ROOT + len(path) > LONGEST), key=len, reverse=True)
    for path in too_long:
        message = (
            f"has {len(path)} characters; below a usual folder ({USUAL_ROOT}), Windows allows {LONGEST - USUAL_ROOT}."
        )
        yield RULES["long-path"].finding(path, message)
    for path in sorted(paths):
        name = path.rpartition("/")[2]
        if _RESERVED.fullmatch(name) or _IMPOSSIBLE.search(name):
            yield RULES["name-on-windows"].finding(path, "has a name that Windows cannot have.")
