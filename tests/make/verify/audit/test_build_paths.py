from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bundle.artifacts.wheel.scripts import windows_launcher
from bundle.base.report import Reporter
from bundle.make.verify.audit.build_paths import check_paths
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding, with_details_once
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS, Platform

LINUX = PLATFORMS["linux-x64"]
HOME = Path("/srv/builder/project")


def findings(
    root: Path, platform: Platform = LINUX, forbidden: Sequence[Path] = (HOME,), suspicious: Sequence[Path] = ()
) -> list[Finding]:
    subject = Subject(
        contents=read_contents(root, python="3.12.10", platform=platform),
        manifest=Manifest(version="3.12.10", platform=platform.key, python=PythonRecord(actual="3.12.10")),
        policy=Policy(forbidden=tuple(forbidden), suspicious=tuple(suspicious)),
        jobs=1,
        reporter=Reporter(),
    )
    return list(check_paths(subject).findings)


@pytest.mark.parametrize(
    "content",
    [
        b"prefix=/srv/builder/project\n",
        b"\x7fELF\0\0/srv/builder/project/lib\0",
        b"-I/srv/builder/project/include",
        b"/srv/builder/projects, but /srv/builder/project, too",
    ],
)
def test_a_file_with_a_path_of_the_building_machine_is_found(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").write_bytes(content)
    (finding,) = findings(tmp_path)
    assert (finding.severity, finding.subject) == ("error", "data")
    assert "/srv/builder/project." in finding.message
    assert finding.details == (f"at byte {content.rindex(b'/srv/builder/project')}",)


@pytest.mark.parametrize("content", [b"", b"/srv/builder/projects", b"/srv/builder/project2", b"srv/builder/project"])
def test_other_paths_are_not_taken_for_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").write_bytes(content)
    assert findings(tmp_path) == []


def test_spellings_of_urls_json_and_windows_programs_are_found(tmp_path: Path) -> None:
    windows = PLATFORMS["windows-x64"]
    place = Path("/srv/räume & spaces/project")
    (tmp_path / "url").write_text("file:///srv/r%C3%A4ume%20%26%20spaces/project")
    (tmp_path / "program").write_bytes(b"MZ" + "/srv/räume & spaces/project".encode("utf-16-le"))
    assert [finding.subject for finding in findings(tmp_path, windows, [place])] == ["program", "url"]


def test_names_that_say_too_little_are_not_searched_for_and_this_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("/srv /usr/local")
    found = findings(tmp_path, forbidden=[Path("/srv"), Path("/usr/local"), Path("/workshop")])
    assert [(finding.severity, finding.subject) for finding in found] == [("note", "/srv"), ("note", "/usr/local")]


def test_a_folder_that_others_may_name_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("/home/runner/.cargo")
    (finding,) = findings(tmp_path, suspicious=[Path("/home/runner")])
    assert finding.severity == "warning"


def test_every_file_is_found_and_many_are_shown_as_one(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"f{number:02}").write_text(str(HOME))
    found = findings(tmp_path)
    assert len(found) == 60
    ((finding, details),) = with_details_once(found)
    assert (finding.rule, finding.file, details[-1]) == ("build-path", "f00", "so do f01, f02, f03, and 56 more")


def test_links_must_be_relative_and_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "real").write_text("")
    for name, target in (
        ("good", "real"),
        ("also-good", "../lib/real"),
        ("absolute", "/etc/passwd"),
        ("outside", "../../else"),
        ("dangling", "nothing"),
    ):
        (tmp_path / "lib" / name).symlink_to(target)
    found = {finding.subject: finding.message for finding in findings(tmp_path)}
    assert set(found) == {"lib/absolute", "lib/outside", "lib/dangling"}
    assert "absolute path" in found["lib/absolute"]
    assert "leaves the bundle" in found["lib/outside"]


def test_scripts_that_start_another_interpreter_are_found_without_starting_them(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, line in (
        ("absolute", "#!/usr/bin/python3 -E"),
        ("env", "#!/usr/bin/env python3"),
        ("shell", "#!/bin/sh"),
        ("bash", "#!/usr/bin/env bash"),
        ("binary", "\x7fELF"),
    ):
        (tmp_path / "bin" / name).write_text(f"{line}\n")
    found = {finding.subject: finding.severity for finding in findings(tmp_path)}
    assert found == {"bin/absolute": "error", "bin/env": "warning"}


def test_the_interpreters_pc_files_must_not_have_an_absolute_prefix(tmp_path: Path) -> None:
    site = "lib/python3.12/site-packages"
    for path, prefix in (
        ("lib/pkgconfig/python3.pc", "/opt/elsewhere"),
        ("lib/pkgconfig/good.pc", "${pcfiledir}/../.."),
        (f"{site}/more/more.pc", "C:/elsewhere"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# made\nprefix={prefix}\nexec_prefix=${{prefix}}\n")
    found = [(finding.rule, finding.file, finding.severity) for finding in findings(tmp_path)]
    assert found == [
        ("absolute-prefix", "lib/pkgconfig/python3.pc", "error"),
        ("absolute-prefix", f"{site}/more/more.pc", "warning"),
    ]


def test_windows_launchers_must_find_the_interpreter_beside_them(tmp_path: Path) -> None:
    windows = PLATFORMS["windows-x64"]
    good = windows_launcher(b"print()", PLATFORMS["windows-x64"], gui=False)
    before, _, after = good.partition(b"#!<launcher_dir>\\..\\python.exe\n")
    (tmp_path / "Scripts").mkdir()
    for name, line in (
        ("good", b"#!<launcher_dir>\\..\\python.exe\n"),
        ("absolute", b"#!C:\\Python312\\python.exe\n"),
        ("quoted", b'#!"C:\\Program Files\\python.exe" -E\n'),
        ("posix", b"#!/opt/elsewhere/bin/python\n"),
        ("any", b"#!python.exe\n"),
    ):
        (tmp_path / "Scripts" / f"{name}.exe").write_bytes(before + line + after)
    (tmp_path / "Scripts" / "tool.exe").write_bytes(b"MZ no launcher at all")
    found = {finding.file.removeprefix("Scripts/"): finding for finding in findings(tmp_path, windows)}
    assert {name: (finding.rule, finding.severity) for name, finding in found.items()} == {
        "absolute.exe": ("launcher-interpreter", "error"),
        "quoted.exe": ("launcher-interpreter", "error"),
        "posix.exe": ("launcher-interpreter", "error"),
        "any.exe": ("launcher-interpreter", "warning"),
    }
    assert "C:\\Program Files\\python.exe" in found["quoted.exe"].message


def test_what_python_wrote_while_the_bundle_was_used_is_a_note(tmp_path: Path) -> None:
    cache = tmp_path / "lib" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "json.cpython-312.pyc").write_bytes(b"\xcb\r\r\n" + bytes(12) + b"/srv/builder/project/lib/json.py")
    (finding,) = findings(tmp_path)
    assert (finding.severity, finding.rule) == ("note", "written-by-use")


def test_a_compiled_module_that_came_with_the_bundle_is_searched(tmp_path: Path) -> None:
    cache = tmp_path / "lib" / "__pycache__"
    cache.mkdir(parents=True)
    unchecked_hash = b"\x01\0\0\0"
    content = b"\xcb\r\r\n" + unchecked_hash + bytes(8) + b"/srv/builder/project/lib/json.py"
    (cache / "json.cpython-312.pyc").write_bytes(content)
    (finding,) = findings(tmp_path)
    assert finding.severity == "error"
