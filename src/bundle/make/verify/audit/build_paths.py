"""The search for paths of the building machine: in files, in symlinks, and as interpreters of scripts and launchers."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from bundle.make.verify.checks.byte_scan import Pattern
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

_INTERPRETER_LINE = re.compile(rb"#!\s*(?P<program>\"[^\"\n]+\"|\S+)(?:[ \t]+(?P<argument>\S+))?")
_PREFIX = re.compile(rb"^\s*prefix\s*=\s*(?P<place>(/|[A-Za-z]:)[^\r\n]*)", re.MULTILINE)

_BESIDE = b"<launcher_dir>"
"""The launchers' own folder, as PyPA's installer spells it."""


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
        if path not in written
    ]
    for path, status in sorted(files.items()):
        if stat.S_ISLNK(status.st_mode) and (finding := _link(subject.root, path)):
            findings.append(finding)
    for path in sorted(subject.scanned):
        findings += _starts(subject, path)
    return Outcome(findings=tuple(findings), checked=len(files))


def launcher_line(data: bytes) -> bytes | None:
    """Return the `#!` line that a Windows launcher has before the zip file at its end, None if it is no launcher."""
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(data):
        return None
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    offset = int.from_bytes(data[end + 16 : end + 20], "little")
    # Offsets count from the beginning of the zip file, or of the whole.
    start = end - size - offset
    start = start if start > 0 else data.find(b"PK\x03\x04")
    line = data[:start].rfind(b"#!")
    return data[line:start].strip() if line >= 0 and start - line < 2**15 else None


def _starts(subject: Subject, path: str) -> Iterator[Finding]:
    """Yield the findings about the place that a script, a launcher or a .pc file names."""
    folder, name = posixpath.split(path)
    if folder == subject.platform.scripts:
        if path.endswith(".exe"):
            line = launcher_line((subject.root / path).read_bytes())
            if line is not None and (finding := _launched(path, line)):
                yield finding
        elif finding := _interpreter_line(subject.root, path):
            yield finding
    elif name.endswith(".pc") and (match := _PREFIX.search((subject.root / path).read_bytes())):
        place = os.fsdecode(match["place"].strip())
        own = subject.contents.is_interpreters(path)
        message = f"has an absolute prefix, {place}."
        yield RULES["absolute-prefix"].finding(path, message, severity="error" if own else None)


def _written_by_use(path: str, head: bytes) -> bool:
    # PEP 552: a bundle's own .pyc files are checked by hash; those that Python writes beside modules, by time.
    return path.endswith(".pyc") and "__pycache__" in path.split("/") and head[4:8] == bytes(4)


def _use(written: set[str]) -> Finding:
    count = "1 compiled module was" if len(written) == 1 else f"{len(written)} compiled modules were"
    message = f"{count} written here by using the bundle; they are in no archive, and name the bundle's place."
    return RULES["written-by-use"].about("__pycache__", message)


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


def _interpreter_line(root: Path, path: str) -> Finding | None:
    with (root / path).open("rb") as file:
        match = _INTERPRETER_LINE.match(file.read(1024))
    if match is None:
        return None
    program, argument = (os.fsdecode(part or b"") for part in match.group("program", "argument"))
    rule = RULES["script-interpreter"]
    if posixpath.basename(program) == "env" and "python" in argument:
        message = f"starts the first {argument} on PATH, not the bundle's interpreter."
        return rule.finding(path, message, severity="warning")
    if "python" in posixpath.basename(program):
        return rule.finding(path, f"starts {program}, an interpreter of the build machine.")
    return None


def _launched(path: str, line: bytes) -> Finding | None:
    match = _INTERPRETER_LINE.match(line)
    program = match["program"].strip(b'"') if match else b""
    if program.startswith(_BESIDE):
        return None
    text = os.fsdecode(program)
    rule = RULES["launcher-interpreter"]
    if re.match(r"/|\\|[A-Za-z]:", text):
        return rule.finding(path, f"starts {text}, an interpreter of the build machine.")
    if not text:
        return rule.finding(
            path, "has no usable `#!` line; it does not start the bundle's interpreter.", severity="warning"
        )
    return rule.finding(path, f"starts the first {text} on PATH, not the bundle's interpreter.", severity="warning")
