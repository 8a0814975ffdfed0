from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.make.verify.verify import CHECKS, identify, verify_bundle
from bundle.model.config.allowlist import AllowList
from bundle.model.platforms import PLATFORMS, Floors, Platform
from tests.make.conftest import TinyBundle


def test_a_foreign_bundle_is_looked_at_and_not_run(tmp_path: Path) -> None:
    root = tmp_path / "bundle"
    (root / "Lib" / "site-packages").mkdir(parents=True)
    (root / "python.ini").write_text("home=/srv/builder/project\n")
    report = verify_bundle(
        root,
        python="3.12.10",
        platform=PLATFORMS["windows-x64"],
        machine=PLATFORMS["linux-x64"],
        allowlist=AllowList(),
        forbidden=[Path("/srv/builder/project")],
        skipped={},
        jobs=1,
        reporter=Reporter(),
        work=tmp_path / "work",
    )
    assert set(report.checked) == {check.name for check in CHECKS if not check.runs}
    notes = [finding for finding in report.of("note") if finding.message.startswith("not run: foreign platform")]
    assert {finding.check for finding in notes} == {"requirements", "imports", "relocation"}
    assert [finding.subject for finding in report.of("error")] == ["python.ini"]
    assert list((tmp_path / "work").iterdir()) == []


def test_the_bundles_own_place_is_never_named(tmp_path: Path) -> None:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "script").write_text(f"#!{root}/bin/python3\n")
    report = verify_bundle(
        root,
        python="3.12.10",
        platform=PLATFORMS["linux-x64"],
        machine=None,
        allowlist=AllowList(),
        forbidden=[],
        skipped={},
        jobs=1,
        reporter=Reporter(),
        work=tmp_path / "work",
    )
    assert [finding.subject for finding in report.of("error")] == ["script"]


def test_the_manifest_says_what_the_bundle_is(tmp_path: Path) -> None:
    manifest = {
        "version": "3.12.10-atls",
        "platform": "linux-x64",
        "python": {"requested": "3.12.10", "actual": "3.12.1", "source": "host"},
        "packages": [],
        "skipped": [{"name": "Nvidia_NCCL", "reason": "no GPU there"}],
        "overrides": {"NumPy": "1.26.4"},
    }
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    identity = identify(tmp_path)
    assert (identity.python, identity.platform.key) == ("3.12.1", "linux-x64")
    assert identity.skipped == {"nvidia-nccl": "no GPU there"}
    assert identity.relaxed == frozenset({"numpy"})
    assert (identity.source, identity.floors, identity.accepted) == ("host", Floors(), ())


def test_the_manifest_says_what_was_asked_for_and_accepted(tmp_path: Path) -> None:
    entry = {"rule": "build-path", "files": "a/*", "reason": "known"}
    manifest = {"version": "3.12.10", "platform": "macosx-x64", "python": {"actual": "3.12.10"}}
    (tmp_path / "bundle.json").write_text(
        json.dumps({**manifest, "floorAsked": {"macos": "12.0"}, "accepted": [entry]})
    )
    identity = identify(tmp_path)
    assert identity.floors == Floors(macos="12.0")
    assert [acceptance.as_json() for acceptance in identity.accepted] == [entry]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"version": "x", "platform": "amiga", "python": {}}'])
def test_a_folder_without_a_sound_manifest_is_no_bundle(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(ConfigError, match=r"bundle\.json"):
        identify(tmp_path)


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
