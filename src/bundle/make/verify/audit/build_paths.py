"""The search for paths of the building machine: in files, in symlinks, and as places that files give as their own."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from bundle.artifacts.interpreters.host import NAME as HOST
from bundle.artifacts.interpreters.portable.certificates import compiled_in
from bundle.base.filenames import is_absolute
from bundle.make.verify.audit.path_files import PathLine, path_lines
from bundle.make.verify.audit.script_starts import judge_start
from bundle.make.verify.checks.byte_scan import Pattern
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

_SET = re.compile(rb"^[ \t]*@?set[ \t]+\"?\w+=(?P<place>[A-Za-z]:[\\/][^\r\n\"]*)", re.MULTILINE | re.IGNORECASE)

_PLACES = {
    ".pc": re.compile(rb"^[ \t]*prefix[ \t]*=[ \t]*(?P<place>(/|[A-Za-z]:)[^\r\n]*)", re.MULTILINE),
    ".cmake": re.compile(
        rb"(?:_IMPORT_PREFIX|IMPORTED_LOCATION\w*|IMPORTED_IMPLIB\w*|INTERFACE_INCLUDE_DIRECTORIES|set_and_check\(\w+)"
        rb"\s+\"(?P<place>(/|[A-Za-z]:[\\/])[^\"\r\n]*)\""
    ),
    ".bat": _SET,
    ".cmd": _SET,
}
"""The lines of files that say where their package lies, by the suffix of the file."""

_OF_SYSTEM = ("/etc/", "/usr/", "/System/", "/private/etc/", "/__bundle_", "/install/")
"""How folders begin that belong to the system, or exist on no machine."""

_READ = 2**22
"""Bytes of such a file that are read."""

_SHOWN = 5


def check_paths(subject: Subject) -> Outcome:
    """Search every file of a bundle for folders of the building machine; symlinks must stay inside, and be relative."""
    why = "is not searched for: its name is so short or common that unrelated files contain it."
    findings = [RULES["too-common"].about(str(path), why) for path in subject.searched[1]]
    files = subject.contents.files
    written = {path for path, scanned in subject.scanned.items() if _written_by_use(path, scanned.head)}
    if written:
        findings.append(_use(written))
    findings += [
        _hit(path, pattern, offset)
        for path, scanned in sorted(subject.scanned.items())
        for pattern, offset in scanned.hits
        if path not in written and (pattern.severity == "error" or not _published(subject, path))
    ]
    for path, status in sorted(files.items()):
        if stat.S_ISLNK(status.st_mode) and (finding := _link(subject.root, path)):
            findings.append(finding)
    for path in sorted(subject.scanned):
        if posixpath.dirname(path) == subject.platform.scripts:
            findings += judge_start(subject, path)
        findings += _named_places(subject, path)
    findings += (finding for line in path_lines(subject) if (finding := _path_file(line)))
    findings += _certificates(subject)
    return Outcome(findings=tuple(findings), checked=len(files))


def _named_places(subject: Subject, path: str) -> Iterator[Finding]:
    """Yield the absolute places that a file for compilers, or for the shell of Windows, names as its own."""
    pattern = _PLACES.get(posixpath.splitext(path)[1].lower())
    if pattern is None:
        return
    with (subject.root / path).open("rb") as file:
        found = dict.fromkeys(os.fsdecode(match["place"].strip()) for match in pattern.finditer(file.read(_READ)))
    severe = path.endswith(".pc") and subject.contents.is_interpreters(path)
    if found:
        first, *others = found
        message = f"has an absolute prefix, {first}."
        details = others[:_SHOWN]
        yield RULES["absolute-prefix"].finding(path, message, details=details, severity="error" if severe else None)


def _path_file(line: PathLine) -> Finding | None:
    """Return the finding about a line of a `.pth` file that leads out of the bundle (module `site`)."""
    rule = RULES["path-file-leaves"]
    if line.runs:
        if any(name.startswith("__editable__") for name in line.modules):
            return rule.finding(line.file, "belongs to an editable install, whose modules are outside the bundle.")
        return None
    if is_absolute(line.text.replace("\\", "/")) or line.folder.split("/")[0] == "..":
        return rule.finding(line.file, f"adds {line.text[:200]}, a folder outside the bundle, to Python's path.")
    return None


def _certificates(subject: Subject) -> Iterator[Finding]:
    """Yield where the interpreter looks for certificates; on Windows it asks the system itself."""
    place = compiled_in(subject.root, subject.platform, subject.manifest.python.actual)
    if place and not subject.platform.is_windows:
        own = place.startswith(_OF_SYSTEM)
        message = f"looks for certificates in {place}{'' if own else ', which is not a folder of the system'}."
        executable = subject.platform.executable(subject.manifest.python.actual)
        yield RULES["certificates-place"].finding(executable, message, severity=None if own else "warning")


def _written_by_use(path: str, head: bytes) -> bool:
    # PEP 552: a bundle's own .pyc files are checked by hash; those that Python writes beside modules, by time.
    return path.endswith(".pyc") and "__pycache__" in path.split("/") and head[4:8] == bytes(4)


def _use(written: set[str]) -> Finding:
    count = "1 compiled module was" if len(written) == 1 else f"{len(written)} compiled modules were"
    message = f"{count} written here by using the bundle; they are in no archive, and name the bundle's place."
    return RULES["written-by-use"].about("__pycache__", message)


def _published(subject: Subject, path: str) -> bool:
    """Return whether a file was made elsewhere, where somebody else may have a home of the same name."""
    owner = subject.contents.owners.get(path)
    if owner is not None:
        return owner in subject.fetched
    own = subject.contents.is_interpreters(path) and path not in subject.copied
    return own and subject.manifest.python.source not in ("", HOST)


def _hit(path: str, pattern: Pattern, offset: int) -> Finding:
    message = f"names a folder of the build machine, {pattern.path}."
    return RULES["build-path"].finding(path, message, severity=pattern.severity, details=(f"at byte {offset}",))


def _link(root: Path, path: str) -> Finding | None:
    target = os.readlink(root / path)  # noqa: PTH115 - the text as it stands
    if os.path.isabs(target):  # noqa: PTH117
        return RULES["link-leaves"].finding(path, f"is a symlink to an absolute path, {target}.")
    if posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).split("/")[0] == "..":
        return RULES["link-leaves"].finding(path, f"is a symlink that leaves the bundle, {target}.")
    if not (root / path).exists():
        return RULES["link-dangles"].finding(path, f"is a symlink to {target}, which does not exist.")
    return None
