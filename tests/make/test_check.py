import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.make.check import CheckReport, check_versions
from bundle.model.config.project import Project
from bundle.model.locks.lock import SkippedPackage
from bundle.model.locks.pylock import read_lock, write_lock
from bundle.model.platforms import Platform
from tests.make.locks import lock_of
from tests.model.configs import write_project


def releases(python: str, platform: Platform) -> Sequence[str]:
    """Know 3.12 everywhere, and 3.13.1 for Linux."""
    if python == "3.12":
        return ("3.12.10", "3.12.9")
    return ("3.13.1",) if python == "3.13" and platform.system == "linux" else ()


def check(root: Path, *versions: str) -> CheckReport:
    return check_versions(Project(root), versions, {}, releases=releases)


def test_a_project_in_order_has_nothing_to_tell(tmp_path: Path) -> None:
    report = check(write_project(tmp_path, {}, **{"3.12.10": {}, "3.12.9-x": {}}))
    assert [(one.version, one.problems, one.warnings) for one in report.versions] == [
        ("3.12.9-x", (), ()),
        ("3.12.10", (), ()),
    ]
    assert not report.failed
    assert report.notes == ()


def test_the_problems_of_all_versions_are_told_at_once(tmp_path: Path) -> None:
    broken: dict[str, Any] = {"bild": {}}
    report = check(write_project(tmp_path, {}, **{"3.12.10-a": broken, "3.12.10-b": {"platforms": ["x"]}, "odd": {}}))
    assert report.failed
    a, b, odd = report.versions
    assert a.problems == ('versions/3.12.10-a/config.json:2: bild: unknown key "bild". Did you mean "build"?',)
    assert len(b.problems) == 1
    assert odd.problems[0].startswith("versions/odd: a version's name is X.Y.Z")


def test_only_the_versions_asked_for_are_checked(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{"3.12.10-a": {"bild": {}}, "3.12.10-b": {}})
    assert not check(tmp_path, "3.12.10-b").failed
    with pytest.raises(ConfigError, match=r"There is no version '3\.12\.10-c'"):
        check(tmp_path, "3.12.10-c")


def test_a_broken_shared_file_is_told_even_without_versions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean"):
        check(write_project(tmp_path, {"bild": {}}))


def test_files_to_copy_must_exist_and_stay_inside(tmp_path: Path) -> None:
    own = {
        "packages": {
            "copyFiles": [
                {"from": "gone", "to": "bin"},
                {"from": "../../shared-config.json", "to": "etc/"},
                {"from": "config.json", "to": "../outside"},
            ]
        }
    }
    (findings,) = check(write_project(tmp_path, {}, **{"3.12.10": own})).versions
    gone, climbing, outside = findings.problems
    assert gone.startswith("versions/3.12.10/config.json:4: copyFiles from")
    assert "does not exist" in gone
    assert "leaves" in climbing
    assert "leaves the bundle" in outside


def test_a_symlink_that_leads_out_of_the_version_is_found(tmp_path: Path) -> None:
    own = {"packages": {"copyFiles": [{"from": "out", "to": "etc/out"}]}}
    write_project(tmp_path, {}, **{"3.12.10": own})
    (tmp_path / "versions" / "3.12.10" / "out").symlink_to(tmp_path / "shared-config.json")
    assert check(tmp_path).failed


def test_a_python_that_no_source_has_is_a_warning_that_names_the_newest(tmp_path: Path) -> None:
    own = {"interpreter": {"sources": ["python-build-standalone"]}}
    report = check(write_project(tmp_path, own, **{"3.12.99": {}, "3.13.1": {}}))
    first, second = report.versions
    assert first.warnings == (
        "no interpreter source knows CPython 3.12.99 for any platform. The newest 3.12 is 3.12.10.",
    )
    assert second.warnings == (
        "no interpreter source knows CPython 3.13.1 for macosx-x64, macosx-aarch64, windows-x64.",
    )
    assert not report.failed


def test_an_archive_serves_its_platform_and_one_that_nobody_asks_is_a_warning(tmp_path: Path) -> None:
    archives = {"linux-x64": {"url": "https://files.example/python.tar.gz", "sha256": "0" * 64}}
    asked = {"interpreter": {"sources": ["archive"], "archives": archives}, "platforms": ["linux-x64"]}
    unasked = {"interpreter": {"archives": archives}}
    report = check(write_project(tmp_path, {}, **{"3.12.0": asked, "3.12.10": unasked}))
    assert [findings.warnings for findings in report.versions] == [
        (),
        ('interpreter.archives is never used: "archive" is not among interpreter.sources.',),
    ]


def test_a_registry_that_is_not_tied_to_packages_is_a_warning(tmp_path: Path) -> None:
    own = {"url": "https://own.example/simple", "packages": ["own-*"]}
    any_name = {"registries": {"additional": [own, "https://any.example/simple"]}}
    (findings,) = check(write_project(tmp_path, {}, **{"3.12.10": any_name})).versions
    (warning,) = findings.warnings
    assert warning.startswith("versions/3.12.10/config.json:")
    assert "comes before the default for every package that it has" in warning


RULES: dict[str, Any] = {
    "packages": {
        "skip": {"Used": {"linux-x64": "r"}, "left-out": {"linux-x64": "r"}, "dead-a": {"windows-x64": "r"}},
        "forceSource": {"dead-b": {"linux-x64": "r"}},
        "buildWheel": {"dead-c": {"linux-x64": {"reason": "r"}}},
        "overrides": {"dead-d": "1", "used": "1"},
        "platformSpecific": {"linux-x64": {"overrides": {"dead-e": "1"}}},
    }
}


def test_an_exception_for_a_package_that_no_lock_has_is_a_warning_with_its_line(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{"3.12.10": RULES})
    lock_of(tmp_path, "3.12.10", "linux-x64", "used", skipped=["left-out"])
    (findings,) = check(tmp_path).versions
    assert [warning.split(": ")[1].rsplit(".", 1)[1] for warning in findings.warnings] == [
        "dead-a",
        "dead-b",
        "dead-c",
        "dead-d",
        "dead-e",
    ]
    assert findings.warnings[0].startswith(
        "versions/3.12.10/config.json:10: packages.skip.dead-a: dead-a is in no lock"
    )
    assert findings.problems == ()


def test_nothing_is_said_about_exceptions_before_there_is_a_lock(tmp_path: Path) -> None:
    (findings,) = check(write_project(tmp_path, {}, **{"3.12.10": RULES})).versions
    assert findings.warnings == ()


def test_shared_exceptions_are_judged_by_all_versions_together(tmp_path: Path) -> None:
    write_project(tmp_path, RULES, **{"3.12.10-a": {}, "3.12.10-b": {}})
    lock_of(tmp_path, "3.12.10-a", "linux-x64", "used", "dead-a", "dead-b")
    assert check(tmp_path).notes == ()
    lock_of(tmp_path, "3.12.10-b", "windows-x64", "left-out", "dead-c")
    report = check(tmp_path)
    assert report.unused == ("dead-d", "dead-e")
    (note,) = report.notes
    assert "exceptions for 2 packages that no version's lock has" in note
    assert all(findings.warnings == () for findings in report.versions)
    assert check(tmp_path, "3.12.10-a").notes == ()


def test_a_lock_that_cannot_be_read_is_an_error_as_in_a_build(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{"3.12.10": RULES})
    (tmp_path / "versions" / "3.12.10" / "pylock.linux-x64.toml").write_text("broken = ")
    (findings,) = check(tmp_path).versions
    assert len(findings.problems) == 1
    assert "pylock.linux-x64.toml" in findings.problems[0]
    assert findings.warnings == ()


def test_a_skip_that_breaks_a_package_which_stays_is_a_warning(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"registries": {"default": "https://e/simple"}}, **{"3.12.10": {}})
    lock_of(root, "3.12.10", "linux-x64", "pdbfixer")
    path = Project(root).lock_path("3.12.10", "linux-x64")
    one = SkippedPackage(name="openmm", reason="No wheel.", required_by=("pdbfixer",), kind="skipped")
    write_lock(replace(read_lock(path), skipped=(one,)), path)
    (warning,) = check(root, "3.12.10").versions[0].warnings
    assert "openmm is skipped for linux-x64 (No wheel), but pdbfixer, which stays, requires it there." in warning


def test_only_releases_of_a_source_that_is_asked_are_named(tmp_path: Path) -> None:
    own = {"platforms": ["linux-x64"], "interpreter": {"sources": ["host"]}}
    (findings,) = check(write_project(tmp_path, {}, **{"3.12.10": own})).versions
    (warning,) = findings.warnings
    assert "3.12.10 for linux-x64. Only a CPython of the building machine" in warning


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="such folders are one there")
def test_versions_that_differ_in_case_alone_are_a_warning(tmp_path: Path) -> None:
    report = check(write_project(tmp_path, {}, **{"3.12.10-a": {}, "3.12.10-A": {}, "3.12.10-b": {}}))
    warnings = {one.version: one.warnings for one in report.versions}
    assert warnings["3.12.10-b"] == ()
    assert warnings["3.12.10-a"] == (
        "3.12.10-a and 3.12.10-A are one folder on macOS and Windows; rename one of them.",
    )


def test_a_password_in_the_file_is_a_warning_that_does_not_show_it(tmp_path: Path) -> None:
    tied = {"url": "https://me:hunter2@own.example/simple", "packages": ["own"]}
    shared = {"registries": {"default": "https://me:hunter2@index.example/simple"}}
    own = {"registries": {"additional": [tied, {"url": "https://me:${X}@b.example/simple", "packages": ["b"]}]}}
    (findings,) = check(write_project(tmp_path, shared, **{"3.12.10": own})).versions
    assert [warning.split(": ")[1] for warning in findings.warnings] == [
        "registries.default",
        "registries.additional[0].url",
    ]
    assert "hunter2" not in str(findings)
