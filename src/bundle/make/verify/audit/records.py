"""Whether the packages' RECORD files are complete and true: the files that they name, and those that they do not."""

from __future__ import annotations

import hashlib
import posixpath
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bundle.base.native.formats import native_format
from bundle.make.verify.checks.byte_scan import Scanned
from bundle.make.verify.checks.contents import Distribution
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject

_SHOWN = 5

_CODE = (".py", ".pth", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".exe")
"""Ends of the names of files that are run or loaded."""

_PTH = 2**20
"""Bytes of a .pth file that are read."""


def check_records(subject: Subject) -> Outcome:
    """Compare every file that a RECORD names with it, and look for files in site-packages that none names.

    Source: the PyPA specification "Recording installed projects". Compiled modules in `__pycache__` need not be there.
    """
    findings: list[Finding] = []
    checked = 0
    # The check `files` tells what differs from what was built; here the packages' own records count.
    told = subject.told
    for distribution in subject.contents.distributions:
        for path in distribution.files:
            if not _compiled(path) and path not in told:
                checked += 1
                findings += _compare(subject, distribution, path)
    files = sorted(path for path in subject.scanned if path not in told)
    findings += (*_unlisted(subject, files), *_run_at_start(subject, files), *_conflicts(subject))
    return Outcome(findings=tuple(findings), checked=checked)


def _compare(subject: Subject, distribution: Distribution, path: str) -> Iterator[Finding]:
    name = distribution.name
    if path.startswith(("/", "../")):
        yield RULES["record-outside"].finding(path, f"is recorded by {name}, but is outside the bundle.")
        return
    if path not in subject.contents.files:
        yield RULES["record-missing"].finding(path, f"is recorded by {name}, but missing.")
        return
    scanned = subject.scanned.get(path)
    if scanned is None:
        return  # A symlink, which the check `paths` judges.
    size, actual = distribution.files[path], subject.contents.files[path].st_size
    if size is not None and actual != size:
        yield _differs(subject, path, f"has {actual} bytes, and {name} recorded {size}")
    elif not _same(subject.root / path, scanned, distribution.hashes.get(path)):
        yield _differs(subject, path, f"has other bytes than {name} recorded")


def _differs(subject: Subject, path: str, message: str) -> Finding:
    if path in subject.contested:
        known = f"{message}: another layer of the bundle holds it, too, and the manifest says so."
        return RULES["record-differs"].finding(path, known, severity="note")
    return RULES["record-differs"].finding(path, f"{message}: it was changed since, or something replaced it.")


def _same(path: Path, scanned: Scanned, recorded: str | None) -> bool:
    if recorded is None:
        return True
    algorithm, _, value = recorded.partition("=")
    if algorithm == "sha256":
        digest = scanned.sha256
    elif algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake"):
        digest = hashlib.new(algorithm, path.read_bytes(), usedforsecurity=False).digest()
    else:
        return True  # An unknown algorithm proves nothing.
    return urlsafe_b64encode(digest).decode().rstrip("=") == value.rstrip("=")


def _unlisted(subject: Subject, files: Sequence[str]) -> Iterator[Finding]:
    """Yield an error for each file among those of a package, and a note for each folder that belongs to no package."""
    contents = subject.contents
    site = f"{contents.platform.site_packages(contents.python)}/"
    owners = {path[len(site) :].partition("/")[0] for path in contents.owners if path.startswith(site)}
    strange: defaultdict[str, list[str]] = defaultdict(list)
    for path in files:
        if not path.startswith(site) or path in contents.owners or _compiled(path):
            continue
        top, _, rest = path[len(site) :].partition("/")
        if top in owners and rest and path in subject.copied:
            message = "is among the files of a package; copyFiles put it there."
            yield RULES["record-unlisted"].finding(path, message, severity="note")
        elif top in owners and rest:
            yield RULES["record-unlisted"].finding(path, "is among the files of a package, but in no RECORD.")
        else:
            strange[top].append(path)
    for top, paths in strange.items():
        file = posixpath.join(site, top)
        what = "belongs to no package." if paths == [file] else f"holds {len(paths)} files that belong to no package."
        details = () if paths == [file] else paths[:_SHOWN]
        yield RULES["record-unlisted"].finding(file, what, details=details, severity="note")


def _run_at_start(subject: Subject, files: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each file of a package that every Python runs as it starts (module `site`)."""
    site = f"{subject.platform.site_packages(subject.contents.python)}/"
    for path in files:
        top, _, rest = path.removeprefix(site).partition("/")
        if not path.startswith(site) or path in subject.copied or rest not in ("", "__init__.py"):
            continue
        name, _, end = top.partition(".")
        brings = f"of {subject.contents.owners.get(path, 'no package')} is run whenever Python starts."
        if name in ("sitecustomize", "usercustomize") and (rest or end != "dist-info"):
            yield RULES["runs-at-start"].finding(path, brings)
        elif end and top.endswith(".pth"):
            with (subject.root / path).open("rb") as file:
                lines = [line.rstrip().decode(errors="replace") for line in file.read(_PTH).splitlines()]
            if run := [line[:200] for line in lines if line.startswith(("import ", "import\t"))]:
                yield RULES["runs-at-start"].finding(path, brings, details=run[:_SHOWN], severity="note")


def _conflicts(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each path that two packages brought; the version's own files may replace any."""
    packages = {layer.name for layer in subject.manifest.layers if layer.kind == "wheel"}
    for conflict in subject.manifest.conflicts:
        if not {conflict.kept, conflict.lost} <= packages:
            continue
        scanned = subject.scanned.get(conflict.path)
        code = conflict.path.endswith(_CODE) or (scanned is not None and native_format(scanned.head[:4]) is not None)
        message = f"is brought by {conflict.lost}, too, with other bytes; the bundle has those of {conflict.kept}."
        yield RULES["package-conflict"].finding(conflict.path, message, severity=None if code else "warning")


def _compiled(path: str) -> bool:
    return "__pycache__" in path.split("/")
