from __future__ import annotations

import pytest

from bundle.base.errors import VerificationError
from bundle.make.verify.checks.findings import Finding, Report, Severity, require


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
        "imports: scipy: scipy.m2: cannot be imported. (import-fails)",
        "    (the same as scipy: scipy.m0)",
    )
    assert caught.value.remedy == "Choose another version."


def test_json_holds_every_finding() -> None:
    data = report("note").as_json()
    assert data["ok"] is True
    assert data["seconds"] == 1.23
    assert data["findings"][0]["details"] == ["ImportError: libx.so: no such file"]
