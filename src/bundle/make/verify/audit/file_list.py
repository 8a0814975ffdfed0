"""Whether every file of a bundle is as it was built: path, kind, mode, link target, size and SHA-256."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bundle.make.verify.audit.outside import compare_wheels, compare_with_known
from bundle.make.verify.checks.comparison import HAS_MODES, Comparison, Difference
from bundle.make.verify.checks.compiled import differing
from bundle.make.verify.checks.findings import Finding, Outcome, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.file_list import FILE_LIST
from bundle.model.manifest import MANIFEST
from bundle.model.platforms import short_version

_SHOWN = 10

_RUN_AT_START = re.compile(r"(site|user)customize(\..*)?|pyvenv\.cfg|.*\._pth|.*\.pth|__editable__.*", re.IGNORECASE)
"""Names that Python looks for as it starts (modules `site` and `getpath`)."""


def check_files(subject: Subject) -> Outcome:
    """Compare a bundle with the list of its files, and the list with the manifest, which keeps its hash."""
    findings = [*compare_with_known(subject), *_list(subject), *compare_wheels(subject)]
    comparison = subject.comparison
    if comparison is None:
        return Outcome(findings=tuple(findings))
    findings += _differences(subject, comparison)
    findings += _compiled(subject, comparison)
    return Outcome(findings=(*findings, *_modes(comparison)), checked=len(comparison.listed.paths))


def _list(subject: Subject) -> Iterator[Finding]:
    listed = subject.file_list
    rule = RULES["list-missing"]
    if not subject.manifest.files:
        message = f"names no list of files: the bundle was built by an earlier version, or {MANIFEST} was changed."
        yield rule.finding(MANIFEST, message)
    elif isinstance(listed, str):
        yield rule.finding(FILE_LIST, listed)
    elif subject.scanned[FILE_LIST].sha256.hex() != subject.manifest.files:
        message = f"is not the list that {MANIFEST} names: one of them was changed."
        yield RULES["list-differs"].finding(FILE_LIST, message)
    else:
        layers = [(one.kind, one.name, one.version, one.digest) for one in listed.layers if one.digest]
        named = [(one.kind, one.name, one.version, one.digest) for one in subject.manifest.layers]
        if layers != list(dict.fromkeys(named)):
            yield RULES["list-differs"].finding(MANIFEST, f"names other layers than {FILE_LIST}.")


def _differences(subject: Subject, comparison: Comparison) -> Iterator[Finding]:
    """Yield one finding for each kind of difference and layer, and one for each file that Python would run at start."""
    groups: defaultdict[tuple[str, str], list[Difference]] = defaultdict(list)
    for one in comparison.differences:
        if one.rule == "file-added" and _RUN_AT_START.fullmatch(posixpath.basename(one.path)):
            what = "is read or run whenever Python starts, and no layer has it."
            yield RULES["file-added"].finding(one.path, what)
        else:
            groups[one.rule, one.layer].append(one)
    for (name, layer), members in groups.items():
        rule = RULES[name]
        # The modes of files mean nothing on Windows.
        severity = "warning" if name == "mode-changed" and subject.platform.is_windows else rule.severity
        if len(members) == 1:
            (one,) = members
            of_layer = f" (layer {layer})" if layer else ""
            yield rule.finding(one.path, f"{one.detail}{of_layer}.", severity=severity)
        else:
            what = f"{len(members)} paths {_VERBS[name]}."
            yield rule.about(layer or "no layer", what, details=_shown(members), severity=severity)


def _compiled(subject: Subject, comparison: Comparison) -> Iterator[Finding]:
    """Yield the modules that Python seems to have compiled by itself, and that hold other code than their source."""
    written = [module for path, module in sorted(comparison.written.items()) if path not in comparison.paths]
    # A source that was changed is a finding of its own.
    written = [module for module in written if module.source not in comparison.paths]
    if not written:
        return
    rule, compiler = RULES["compiled-differs"], subject.compiler()
    if compiler is None:
        minor = short_version(subject.contents.python)
        what = f"cannot be compared with their sources: no CPython {minor} on this machine."
        yield rule.about("compiled modules", what, severity="note")
        return
    paths = differing(written, subject.root, compiler, jobs=subject.jobs)
    exact = compiler.version == subject.contents.python
    severity: Severity = "error" if exact else "warning"
    message = f"holds other code than CPython {compiler.version} compiles its source to."
    yield from (rule.finding(path, message, severity=severity) for path in paths)


_VERBS = {
    "file-removed": "are missing",
    "file-changed": "are not what was built",
    "file-added": "are in the bundle that no layer has",
    "mode-changed": "have other permissions than were built",
}


def _shown(members: Sequence[Difference]) -> list[str]:
    lines = [f"{one.path} {one.detail}" for one in members[:_SHOWN]]
    return lines if len(members) <= _SHOWN else [*lines, f"and {len(members) - _SHOWN} more"]


def _modes(comparison: Comparison) -> Iterator[Finding]:
    rule = RULES["modes-unknown"]
    if not HAS_MODES:
        yield rule.about("permissions", "cannot be compared on this system, which keeps none.")
    elif comparison.masked:
        what = f"lack {comparison.masked:04o} everywhere: the bundle was unpacked with a stricter umask."
        yield rule.about("permissions", what)
