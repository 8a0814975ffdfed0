"""What the scripts and launchers of a bundle start: it must be in the bundle, or on every system."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

_INTERPRETER_LINE = re.compile(rb"#!\s*(?P<program>\"[^\"\n]+\"|\S+)(?:[ \t]+(?P<argument>\S+))?")

_BESIDE = "<launcher_dir>"
"""The launchers' own folder, as PyPA's installer spells it."""

_HEADER = re.compile(rb'exec "\$(?:\{0%/\*\}|__folder)/(?P<program>[^"/\n]+)"')
"""The place in a script's header for the shell where it starts an interpreter beside it."""

_EVERYWHERE = re.compile(r"(/usr)?/bin/(sh|bash|env|perl|awk|sed)")

_PROGRAM_ON_A_DRIVE = re.compile(rb"(?<!\w)[A-Za-z]:[\\/][^\":%<>|*?\r\n]*?\.exe\b", re.IGNORECASE)

_READ = 2**16
"""Bytes of a script that are read."""


def judge_start(subject: Subject, path: str) -> Iterator[Finding]:
    """Yield the findings about what a file in the scripts folder starts."""
    lower = path.lower()
    if lower.endswith(".exe"):
        line = launcher_line((subject.root / path).read_bytes())
        if line is not None:
            yield from _launched(subject, path, line)
        return
    with (subject.root / path).open("rb") as file:
        text = file.read(_READ)
    if lower.endswith((".bat", ".cmd")):
        yield from _batch(path, text)
    elif match := _INTERPRETER_LINE.match(text):
        program, argument = (os.fsdecode(part or b"") for part in match.group("program", "argument"))
        yield from _interpreter_line(subject, path, program.strip('"'), argument)
    if (header := _HEADER.search(text)) and not subject.platform.is_windows:
        name = os.fsdecode(header["program"])
        if f"{posixpath.dirname(path)}/{name}" not in subject.contents.files:
            yield RULES["script-interpreter"].finding(path, f"starts {name} beside it, which is not there.")


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


def _interpreter_line(subject: Subject, path: str, program: str, argument: str) -> Iterator[Finding]:
    rule = RULES["script-interpreter"]
    name = posixpath.basename(program)
    if name == "env" and "python" in argument:
        message = f"starts the first {argument} on PATH, not the bundle's interpreter."
        yield rule.finding(path, message, severity="warning")
    elif "python" in name:
        yield rule.finding(path, f"starts {program}, an interpreter of the build machine.")
    elif program.startswith("/") and not subject.platform.is_windows and not _EVERYWHERE.fullmatch(program):
        yield rule.finding(path, f"starts {program}, which not every system has.", severity="warning")


def _batch(path: str, text: bytes) -> Iterator[Finding]:
    rule = RULES["script-interpreter"]
    lines = (line for line in text.splitlines() if not re.match(rb"\s*@?(rem\b|::)", line, re.IGNORECASE))
    for place in dict.fromkeys(os.fsdecode(match[0]) for line in lines for match in _PROGRAM_ON_A_DRIVE.finditer(line)):
        if "python" in place.lower().replace("\\", "/").rpartition("/")[2]:
            yield rule.finding(path, f"starts {place}, an interpreter of the build machine.")
        else:
            yield rule.finding(path, f"names {place}, which not every system has.", severity="warning")


def _launched(subject: Subject, path: str, line: bytes) -> Iterator[Finding]:
    match = _INTERPRETER_LINE.match(line)
    program = os.fsdecode(match["program"].strip(b'"')) if match else ""
    rule = RULES["launcher-interpreter"]
    if program.startswith(_BESIDE):
        relative = program.removeprefix(_BESIDE).replace("\\", "/").lstrip("/")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))
        files = subject.contents.files
        if place not in files and place.casefold() not in map(str.casefold, files):
            yield rule.finding(path, f"starts {program}, which is not in the bundle.")
    elif re.match(r"/|\\|[A-Za-z]:", program):
        yield rule.finding(path, f"starts {program}, an interpreter of the build machine.")
    elif not program:
        message = "has no usable `#!` line; it does not start the bundle's interpreter."
        yield rule.finding(path, message, severity="warning")
    else:
        message = f"starts the first {program} on PATH, not the bundle's interpreter."
        yield rule.finding(path, message, severity="warning")
