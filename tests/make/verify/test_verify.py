from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS, Platform
from tests.make.conftest import TinyBundle
from tests.make.listed import with_list


def verify(root: Path, platform: str, machine: str, *forbidden: Path, running: bool = True) -> Report:
    manifest = Manifest(version="3.12.10", platform=platform, python=PythonRecord(actual="3.12.10"))
    manifest = with_list(root, manifest)
    host = VerificationHost(machine=PLATFORMS[machine], work=root.parent / "work", reporter=Reporter())
    return verify_bundle(root, manifest, Policy(forbidden=forbidden), host, running=running)


def test_a_foreign_bundle_is_looked_at_and_not_run(tmp_path: Path) -> None:
    root = tmp_path / "bundle"
    (root / "Lib" / "site-packages").mkdir(parents=True)
    (root / "python.ini").write_text("home=/srv/builder/project\n")
    report = verify(root, "windows-x64", "linux-x64", Path("/srv/builder/project"))
    assert set(report.checked) == {check.name for check in CHECKS if not check.runs}
    notes = [finding for finding in report.of("note") if finding.message.startswith("not run: foreign platform")]
    assert {finding.check for finding in notes} == {"requirements", "imports", "relocation"}
    assert [finding.subject for finding in report.of("error")] == ["python.ini"]
    assert list((tmp_path / "work").iterdir()) == []


def test_the_bundles_own_place_is_never_named(tmp_path: Path) -> None:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "script").write_text(f"#!{root}/bin/python3\n")
    report = verify(root, "linux-x64", "linux-x64", running=False)
    assert [finding.subject for finding in report.of("error")] == ["script"]
    assert {finding.rule for finding in report.of("note")} == {"not-run"}


@pytest.mark.real
def test_a_bundle_whose_interpreter_is_missing_is_unfit(tmp_path: Path, machine: Platform) -> None:
    bundle = TinyBundle(tmp_path / "bundle", "3.12.10", machine)
    bundle.install("whole", "1.0", {"whole/_a.abi3.so": "", "whole/_b.abi3.so": ""})
    report = bundle.verify(tmp_path / "work", *(check.name for check in CHECKS if check.runs))
    assert {finding.check for finding in report.of("error")} == {"requirements", "imports", "relocation"}
    assert {finding.subject for finding in report.of("error")} == {"the interpreter", "python -m venv"}
    assert all("does not exist" in finding.message for finding in report.of("error"))


@pytest.mark.real
def test_an_interpreter_made_portable_passes_every_check(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    tiny_bundle.install("wanting", "1.0", {"wanting.py": ""}, requires="not-there>=2")
    report = tiny_bundle.verify(tmp_path / "work", *(check.name for check in CHECKS))
    assert [(finding.check, finding.subject, finding.message) for finding in report.of("error")] == [
        ("requirements", "wanting", "wanting 1.0 requires not-there, which is not installed.")
    ]
    assert set(report.checked) == {check.name for check in CHECKS}
