from __future__ import annotations

from dataclasses import replace

import pytest

from bundle.base.errors import VerificationError
from bundle.make.verify.checks.findings import Finding, Outcome, Report, Severity, entries_for, require, rows, united
from bundle.model.acceptance import Acceptance


def report(*severities: Severity) -> Report:
    findings = tuple(
        Finding(
            check="imports",
            rule="import-fails",
            severity=severity,
            subject=f"scipy: scipy.m{number}",
            message="cannot be imported.",
            remedy="Choose another version.",
            details=("ImportError: libx.so: no such file",),
        )
        for number, severity in enumerate(severities)
    )
    return Report(findings=findings, checked={"imports": 7}, seconds=1.234)


def test_warnings_and_notes_do_not_fail_a_bundle() -> None:
    found = report("warning", "note")
    assert found.ok
    require(found)


def test_every_error_is_named_and_each_reason_told_once() -> None:
    with pytest.raises(VerificationError) as caught:
        require(report("error", "note", "error"), "3.12.10 for linux-x64")
    assert caught.value.exit_code == 5
    assert caught.value.what == "3.12.10 for linux-x64 failed verification: 2 errors."
    assert caught.value.details == (
        "imports: scipy: scipy.m0: cannot be imported. (import-fails)",
        "    ImportError: libx.so: no such file",
        "    so do scipy: scipy.m2",
    )
    assert caught.value.remedy == "Choose another version."


def test_json_holds_every_finding() -> None:
    data = report("note").as_json()
    assert data["ok"] is True
    assert data["seconds"] == 1.23
    assert data["findings"][0]["details"] == ["ImportError: libx.so: no such file"]


def finding(subject: str, message: str = "fails.", *, file: str = "", details: tuple[str, ...] = ()) -> Finding:
    return Finding(
        check="c", rule="r", severity="warning", subject=subject, message=message, file=file, details=details
    )


def test_there_is_one_row_for_each_cause() -> None:
    found = [
        *(finding(f"f{number}", file=f"f{number}", details=(str(number),)) for number in range(9)),
        finding("scipy: a", details=("x",)),
        finding("scipy: b", details=("x",)),
        finding("tensorflow: e", details=("2026-11-22 06:07:36.944118: F check failed: 0x559d0041e518",)),
        finding("tensorflow: f", details=("2026-11-22 06:08:03.107909: F check failed: 0x563cb89c9708",)),
        finding("numpy: c", details=("x",)),
        finding("scipy: d", details=("y",)),
        finding("pip check"),
        finding("pip check"),
    ]
    assert [row.lines for row in rows(found)] == [
        ("c: f0: fails. (r)", "    0", "    so do f1, f2, f3, and 5 more"),
        ("c: scipy: a: fails. (r)", "    x", "    so do scipy: b"),
        ("c: tensorflow: e: fails. (r)", f"    {found[11].details[0]}", "    so do tensorflow: f"),
        ("c: numpy: c: fails. (r)", "    (the same as scipy: a)"),
        ("c: scipy: d: fails. (r)", "    y"),
        ("c: pip check: fails. (r)",),
        ("c: pip check: fails. (r)",),
    ]


def error(files: str, text: str = "", package: str = "torch") -> Finding:
    entry = Acceptance(rule="import-fails", files=files, package=package, error=text, reason="")
    return replace(finding(files, file=files), severity="error", entry=entry)


def test_few_entries_accept_what_is_not_accepted_yet() -> None:
    found = [
        *(error(f"*/torch/m{number}.*", "libcudart.so.12: no such file") for number in range(20)),
        error("*/torio/a.*", "libavutil.so.56: no such file", "torio"),
        error("*/torio/a.*", "libavutil.so.58: no such file", "torio"),
        error("*/x.so", package=""),
        error("*/y.so", package=""),
        replace(error("*/z.so"), entry=None),
    ]
    assert [one.as_json() for one in entries_for(found)] == [
        {"rule": "import-fails", "package": "torch", "error": "libcudart.so.12: no such file"},
        {
            "rule": "import-fails",
            "files": "*/torio/a.*",
            "package": "torio",
            "error": ["libavutil.so.56: no such file", "libavutil.so.58: no such file"],
        },
        {"rule": "import-fails", "files": "*/x.so"},
        {"rule": "import-fails", "files": "*/y.so"},
    ]


def test_the_remedy_has_one_line_for_each_entry_that_is_needed() -> None:
    found = (error("*/a.so", "one"), error("*/b.so", "two"), replace(error("*/c.so", "three"), accepted="known"))
    with pytest.raises(VerificationError) as caught:
        require(Report(findings=found, checked={}, seconds=0), accepting="Or accept them")
    assert (caught.value.remedy or "").splitlines() == [
        "Or accept them:",
        '{"rule": "import-fails", "files": "*/a.so", "package": "torch", "error": "one", "reason": ""},',
        '{"rule": "import-fails", "files": "*/b.so", "package": "torch", "error": "two", "reason": ""}',
    ]


def test_what_several_sets_have_alike_is_told_once() -> None:
    shared, own = finding("shared"), finding("own")
    outcomes = [
        Outcome(findings=(shared,), checked=1, floor={"glibc": "2.9"}, licences={"a": "MIT"}, unseen=("x",)),
        Outcome(
            findings=(replace(shared, set_name="b"), replace(own, set_name="b")),
            checked=2,
            floor={"glibc": "2.17"},
            licences={"b": "MIT"},
            unseen=("x",),
        ),
        Outcome(findings=(replace(own, set_name="c"),)),
    ]
    whole = united(outcomes)
    assert [(one.subject, one.set_name) for one in whole.findings] == [("shared", ""), ("own", "b")]
    assert (whole.checked, whole.floor, whole.unseen) == (3, {"glibc": "2.17"}, ("x",))
    assert set(whole.licences) == {"a", "b"}
    assert [row.head for row in rows(whole.findings)] == ["c: shared: fails. (r)", "c: own: fails. (r, set b)"]
    assert [one.as_json().get("set") for one in whole.findings] == [None, "b"]
