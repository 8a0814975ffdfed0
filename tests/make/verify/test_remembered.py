from __future__ import annotations

from pathlib import Path

import pytest

from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.remembered import PassedReports
from bundle.model.acceptance import Acceptance
from bundle.model.platforms import Floors

ONE = Policy(forbidden=(Path("/srv/one"), Path("/srv/two")))

WARNING = Finding(
    check="imports", rule="unused", severity="warning", subject="numpy", message="unused", details=("a", "b")
)
ERROR = Finding(check="imports", rule="import-fails", severity="error", subject="numpy", message="does not import")


def report(*findings: Finding) -> Report:
    return Report(findings=findings, checked={"imports": 3}, seconds=7.0)


def test_a_bundle_that_passed_is_found_with_its_warnings(tmp_path: Path) -> None:
    PassedReports(tmp_path, ONE).add("digest", report(WARNING))
    found = PassedReports(tmp_path, ONE).find("digest")
    assert found is not None
    assert found.findings == (WARNING,)
    assert found.checked == {"imports": 3}


def test_a_bundle_that_failed_is_verified_again(tmp_path: Path) -> None:
    reports = PassedReports(tmp_path, ONE)
    reports.add("digest", report(ERROR))
    assert reports.find("digest") is None


@pytest.mark.parametrize(
    "other",
    [
        Policy(forbidden=(Path("/srv/one"),)),
        Policy(forbidden=ONE.forbidden, suspicious=(Path("/home/me"),)),
        Policy(forbidden=ONE.forbidden, floors=Floors(glibc="2.17")),
        Policy(forbidden=ONE.forbidden, acceptances=(Acceptance(rule="build-path", files="*", reason="known"),)),
    ],
)
def test_other_bytes_or_another_policy_are_verified_again(tmp_path: Path, other: Policy) -> None:
    PassedReports(tmp_path, ONE).add("digest", report())
    assert PassedReports(tmp_path, ONE).find("another") is None
    assert PassedReports(tmp_path, other).find("digest") is None


def test_the_order_of_folders_does_not_count(tmp_path: Path) -> None:
    PassedReports(tmp_path, ONE).add("digest", report())
    assert PassedReports(tmp_path, Policy(forbidden=ONE.forbidden[::-1])).find("digest") is not None
