"""The audit of names: can each exist on the target, with its case, its length, its characters."""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bundle.base.filenames import folded, windows_obstacle
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

LONGEST = 259
"""Characters that a path on Windows may have, the end mark aside (MAX_PATH)."""

USUAL_ROOT = len(r"C:\Users\12345678901234567890\AppData\Local\bundle\bundles\3.12.10-variant\windows-x64" + "\\")
"""Characters of a folder where a user with a name of twenty letters may have a bundle."""


def check_names(subject: Subject) -> Outcome:
    """Check the name of every file, folder and link of a bundle."""
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
        alike[folded(path)].append(path)
    for names in alike.values():
        first, *others = sorted(names)
        for path in others:
            if path.rpartition("/")[0] == first.rpartition("/")[0]:  # Otherwise the parent folder is reported.
                form = "case" if path.casefold() == first.casefold() else "its Unicode form"
                message = f"differs only in {form} from {first.rpartition('/')[2]}."
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
        if windows_obstacle(name):
            yield RULES["name-on-windows"].finding(path, "has a name that Windows forbids.")
