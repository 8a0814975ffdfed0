from __future__ import annotations

from pathlib import Path

from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.remembered import Evidence

WARNING = Finding(check="imports", severity="warning", subject="numpy", message="unused", details=("a", "b"))
ERROR = Finding(check="imports", severity="error", subject="numpy", message="does not import")


def report(*findings: Finding) -> Report:
    return Report(findings=findings, checked={"imports": 3}, seconds=7.0)


def test_a_bundle_that_passed_is_remembered_with_its_warnings(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    evidence.keep("digest", "allowed", report(WARNING))
    recalled = Evidence(tmp_path).recall("digest", "allowed")
    assert recalled is not None
    assert recalled.findings == (WARNING,)
    assert recalled.checked == {"imports": 3}


def test_a_bundle_that_failed_is_run_again(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    evidence.keep("digest", "allowed", report(ERROR))
    assert evidence.recall("digest", "allowed") is None


def test_other_bytes_or_another_allow_list_are_run_again(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    evidence.keep("digest", "allowed", report())
    assert evidence.recall("another", "allowed") is None
    assert evidence.recall("digest", "changed") is None


def test_what_was_searched_for_other_folders_is_run_again(tmp_path: Path) -> None:
    one, other = Path("/srv/one"), Path("/srv/other")
    Evidence(tmp_path, forbidden=[one]).keep("digest", "allowed", report())
    assert Evidence(tmp_path, forbidden=[one]).recall("digest", "allowed") is not None
    assert Evidence(tmp_path, forbidden=[other]).recall("digest", "allowed") is None


def test_a_damaged_memory_counts_as_none(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    evidence.keep("digest", "allowed", report())
    for path in tmp_path.iterdir():
        path.write_text('{"findings": [{"check": 1}]}')
    assert evidence.recall("digest", "allowed") is None
