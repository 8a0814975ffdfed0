from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundle.make.verify.checks.findings import Finding, Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.remembered import PassedReports
from bundle.model.acceptance import Acceptance
from bundle.model.platforms import PLATFORMS, Floors

ONE = Policy(forbidden=(Path("/srv/one"), Path("/srv/two")))

WARNING = Finding(
    check="imports", rule="unused", severity="warning", subject="numpy", message="unused", details=("a", "b")
)
ERROR = Finding(check="imports", rule="import-fails", severity="error", subject="numpy", message="does not import")
PATH = Finding(check="paths", rule="build-path", severity="error", subject="a", message="names it", accepted="no harm")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "a.py").write_text("here = '/srv/three/lib'\n")
    return tree


def report(*findings: Finding) -> Report:
    return Report(findings=findings, checked={"imports": 3}, seconds=7.0)


def find(tree: Path, policy: Policy, digest: str = "digest") -> Report | None:
    return PassedReports(tree.parent, policy).find(digest, tree, PLATFORMS["linux-x64"])


def test_a_bundle_that_passed_is_found_with_its_warnings(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report(WARNING))
    found = find(tree, ONE)
    assert found is not None
    assert found.findings == (WARNING,)
    assert found.checked == {"imports": 3}


def test_a_bundle_that_failed_is_verified_again(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report(ERROR))
    assert find(tree, ONE) is None


@pytest.mark.parametrize(
    "other",
    [
        Policy(forbidden=ONE.forbidden, suspicious=(Path("/home/me"),)),
        Policy(forbidden=ONE.forbidden, floors=Floors(glibc="2.17")),
        Policy(forbidden=ONE.forbidden, acceptances=(Acceptance(rule="build-path", files="*", reason="known"),)),
    ],
)
def test_other_bytes_or_another_policy_are_verified_again(tree: Path, other: Policy) -> None:
    PassedReports(tree.parent, ONE).add("digest", report())
    assert find(tree, ONE, "another") is None
    assert find(tree, other) is None


def test_the_order_of_folders_does_not_count(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report())
    assert find(tree, Policy(forbidden=ONE.forbidden[::-1])) is not None


def test_a_policy_that_forbids_less_finds_the_report(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report())
    assert find(tree, Policy(forbidden=ONE.forbidden[:1])) is not None


@pytest.mark.parametrize("folder", ["/srv/three", "/x"])
def test_a_folder_that_a_file_may_name_is_verified_again(tree: Path, folder: str) -> None:
    PassedReports(tree.parent, ONE).add("digest", report())
    assert find(tree, replace(ONE, forbidden=(*ONE.forbidden, Path(folder)))) is None


def test_a_folder_that_no_file_names_is_searched_once(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report())
    other = Policy(forbidden=(Path("/srv/four"),))
    assert find(tree, other) is not None
    (tree / "lib" / "a.py").write_text("here = '/srv/four'\n")
    assert find(tree, other) is not None, "the digest stands for the bytes"


def test_a_finding_about_a_folder_holds_for_the_same_folders_only(tree: Path) -> None:
    PassedReports(tree.parent, ONE).add("digest", report(PATH))
    assert find(tree, ONE) is not None
    assert find(tree, Policy(forbidden=ONE.forbidden[:1])) is None
