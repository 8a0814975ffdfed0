"""The scan for paths of the building machine: in files, in symlinks, in the first line of scripts."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bundle.make.findings import Finding, Outcome, Severity
from bundle.make.inspected import Inspected
from bundle.model.platforms import Platform

CHECK = "paths"

_LONG_ENOUGH = 8
"""Length from which a path of a single component is not found by chance."""

_COMMON = frozenset(
    {"/usr", "/usr/local", "/usr/bin", "/usr/lib", "/opt", "/opt/local", "/opt/homebrew", "/var/tmp", "/var/lib"}  # noqa: S108 - named, not used
)
"""Folders that many files name on every machine."""

_SHOWN = 50
"""Files that are reported one by one."""

_INTERPRETER_LINE = re.compile(rb"#!\s*(?P<program>\S+)(?:[ \t]+(?P<argument>\S+))?")


@dataclass(frozen=True, kw_only=True)
class Needle:
    """A byte string that no file may hold."""

    path: str
    """The folder that it stands for."""
    data: bytes
    severity: Severity


def check_paths(inspected: Inspected) -> Outcome:
    """Search every file of a bundle for folders of the building machine; symlinks must stay inside, and be relative."""
    needles, unused = needles_for(inspected.forbidden, inspected.suspicious, inspected.platform)
    findings = [
        Finding(
            check=CHECK,
            severity="note",
            subject=str(path),
            message="was not searched for: a name that short or common is found by chance.",
        )
        for path in unused
    ]
    files = inspected.contents.files
    regular = sorted(path for path, status in files.items() if stat.S_ISREG(status.st_mode))
    with inspected.reporter.task("searching for paths of this machine", total=len(regular), unit="files") as task:
        hits: list[Finding] = []
        for path in regular:
            data = _content(inspected.root / path)
            hits.extend(_hit(path, needle, offset) for needle, offset in search(data, needles))
            task.advance()
    findings += hits[:_SHOWN]
    if len(hits) > _SHOWN:
        findings.append(_more(hits))
    for path, status in sorted(files.items()):
        if stat.S_ISLNK(status.st_mode) and (finding := _link(inspected.root, path)):
            findings.append(finding)
    scripts = f"{inspected.platform.scripts}/"
    for path in regular:
        if path.startswith(scripts) and (finding := _interpreter_line(inspected.root, path)):
            findings.append(finding)
    return Outcome(findings=tuple(findings), checked=len(files))


def needles_for(
    forbidden: Sequence[Path], suspicious: Sequence[Path], platform: Platform
) -> tuple[tuple[Needle, ...], tuple[Path, ...]]:
    """Return the byte strings to search for, and the folders whose names say too little to be searched for.

    Args:
        forbidden: folders whose appearance is an error.
        suspicious: folders whose appearance is a warning.
        platform: what the bundle is for; Windows programs hold UTF-16 texts, too.
    """
    texts: dict[str, Severity] = {}
    unused: list[Path] = []
    for paths, severity in ((forbidden, "error"), (suspicious, "warning")):
        for path in paths:
            if not _telling(path):
                unused.append(path)
                continue
            for text in dict.fromkeys((str(path), os.path.realpath(path))):
                texts.setdefault(text, severity)  # type: ignore[arg-type]  # one of the two above
    needles: dict[bytes, Needle] = {}
    for text, severity in texts.items():
        if any(text != other and _is_below(text, other) for other, found in texts.items() if found == severity):
            continue  # Whoever names the inner folder names the outer one.
        for data in _spellings(text, platform):
            needles.setdefault(data, Needle(path=text, data=data, severity=severity))
    return tuple(needles.values()), tuple(dict.fromkeys(unused))


def search(data: bytes, needles: Iterable[Needle]) -> Iterator[tuple[Needle, int]]:
    """Yield each needle that some bytes hold, and where it is first; `/a/bc` does not count as `/a/b`."""
    for needle in needles:
        offset = data.find(needle.data)
        while offset >= 0:
            after = data[offset + len(needle.data) : offset + len(needle.data) + 1]
            if not (after.isalnum() or after in (b"_", b"-")):
                yield needle, offset
                break
            offset = data.find(needle.data, offset + 1)


def _telling(path: Path) -> bool:
    text = str(path)
    names = [part for part in path.parts if part != path.anchor]
    return text not in _COMMON and (len(names) >= 2 or len(text) >= _LONG_ENOUGH)


def _is_below(text: str, other: str) -> bool:
    return text.startswith((f"{other}/", f"{other}\\"))


def _spellings(text: str, platform: Platform) -> Iterator[bytes]:
    """Yield a path as programs, JSON files and file URLs spell it."""
    for spelling in dict.fromkeys((text, text.replace("\\", "\\\\"), text.replace("\\", "/"))):
        yield os.fsencode(spelling)
        yield quote(os.fsencode(spelling), safe="/:").encode()
        if platform.is_windows:
            yield spelling.encode("utf-16-le", "surrogatepass")


def _content(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read()


def _hit(path: str, needle: Needle, offset: int) -> Finding:
    return Finding(
        check=CHECK,
        severity=needle.severity,
        subject=path,
        message=f"names a folder of the building machine, {needle.path} (at byte {offset}).",
        remedy="Find what wrote it (a script's first line, sysconfig, a run path, a compiled module), and make it "
        "relative.",
    )


def _more(hits: Sequence[Finding]) -> Finding:
    rest = hits[_SHOWN:]
    return Finding(
        check=CHECK,
        severity="error" if any(hit.severity == "error" for hit in rest) else "warning",
        subject=f"{len(rest)} more files",
        message="name folders of the building machine as well.",
        remedy=hits[0].remedy,
    )


def _link(root: Path, path: str) -> Finding | None:
    target = os.readlink(root / path)  # noqa: PTH115 - the text as it stands
    if os.path.isabs(target):  # noqa: PTH117
        message = f"is a symlink to an absolute path, {target}."
    elif posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).split("/")[0] == "..":
        message = f"is a symlink that leaves the bundle, {target}."
    elif not (root / path).exists():
        message = f"is a symlink to {target}, which does not exist."
    else:
        return None
    return Finding(
        check=CHECK,
        severity="error",
        subject=path,
        message=message,
        remedy="Make it a relative link to something inside, or a copy.",
    )


def _interpreter_line(root: Path, path: str) -> Finding | None:
    with (root / path).open("rb") as file:
        match = _INTERPRETER_LINE.match(file.read(1024))
    if match is None:
        return None
    program, argument = (os.fsdecode(part or b"") for part in match.group("program", "argument"))
    if posixpath.basename(program) == "env" and "python" in argument:
        severity: Severity = "warning"
        message = f"takes whichever {argument} is first on PATH, not the bundle's."
    elif "python" in posixpath.basename(program):
        severity = "error"
        message = f"starts {program}, an interpreter of the building machine."
    else:
        return None
    return Finding(
        check=CHECK,
        severity=severity,
        subject=path,
        message=message,
        remedy="Let it find the interpreter beside it, as console scripts of the bundle do.",
    )
