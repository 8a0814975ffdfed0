from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bundle.base.report import Reporter
from bundle.make.verify.audit.build_paths import check_paths
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding, rows
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.manifest import Manifest, PackageRecord, PythonRecord
from bundle.model.platforms import PLATFORMS, Platform
from tests.make.audited import good

LINUX = PLATFORMS["linux-x64"]
HOME = Path("/srv/builder/project")
MANIFEST = Manifest(version="3.12.10", platform="linux-x64", python=PythonRecord(actual="3.12.10"))


def findings(
    root: Path, platform: Platform = LINUX, forbidden: Sequence[Path] = (HOME,), suspicious: Sequence[Path] = ()
) -> list[Finding]:
    subject = Subject(
        contents=read_contents(root, python="3.12.10", platform=platform),
        manifest=replace(MANIFEST, platform=platform.key),
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


@pytest.mark.parametrize(
    ("place", "severity"), [("/etc/ssl", "note"), ("/usr/lib/ssl", "note"), ("/opt/maker/ssl", "warning")]
)
def test_the_folder_with_certificates_is_named(tmp_path: Path, place: str, severity: str) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libcrypto.so.3").write_bytes(f'\x7fELF\0OPENSSLDIR: "{place}"\0'.encode())
    (finding,) = findings(tmp_path)
    assert (finding.rule, finding.severity) == ("certificates-place", severity)
    assert f"looks for certificates in {place}" in finding.message


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


def test_the_home_of_somebody_else_in_what_was_published_is_no_finding(tmp_path: Path) -> None:
    """Publishers build as root, too, and in homes of the same names."""
    made = good(tmp_path, "linux-x64")
    made.install("own", {"own/a.py": "# /home/runner/.cargo"})
    made.install("theirs", {"theirs/a.py": "# /home/runner/.cargo"})
    for path in ("lib/python3.12/os.py", "share/copied"):
        made.write(path, "# /home/runner/.cargo")
    of = partial(PackageRecord, version="1.0", reason="", required_by=())
    packages = (of(name="own", decision="source"), of(name="theirs", decision="wheel"))

    def found(source: str, *suspicious: str) -> list[str]:
        python = PythonRecord(actual="3.12.10", source=source)
        subject = Subject(
            contents=read_contents(made.root, python="3.12.10", platform=LINUX),
            manifest=replace(MANIFEST, python=python, packages=packages, copied=("share/copied",)),
            policy=Policy(suspicious=tuple(map(Path, suspicious))),
            jobs=1,
            reporter=Reporter(),
        )
        return [one.file for one in check_paths(subject).findings if one.rule == "build-path"]

    own = f"{made.site}/own/a.py"
    assert found("archive", "/home/runner") == [own, "share/copied"]
    assert found("host", "/home/runner") == ["lib/python3.12/os.py", own, "share/copied"]


def test_every_file_is_found_and_many_are_shown_as_one(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"f{number:02}").write_text(str(HOME))
    found = findings(tmp_path)
    assert len(found) == 60
    (row,) = rows(found)
    assert (row.finding.rule, row.finding.file) == ("build-path", "f00")
    assert row.others == "so do f01, f02, f03, and 56 more"


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


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lib/cmake/x/xConfig.cmake", 'set(_IMPORT_PREFIX "/srv/elsewhere/install")\n'),
        (
            "lib/cmake/x/xTargets.cmake",
            'set_target_properties(x PROPERTIES\n  IMPORTED_LOCATION_RELEASE "/opt/x/libx.so"\n',
        ),
        ("lib/cmake/x/x.cmake", 'set_and_check(X_DIR "C:/x")\n'),
        ("Scripts/activate.bat", '@set "VIRTUAL_ENV=C:\\Users\\me\\venv"\r\n'),
    ],
)
def test_files_that_name_an_absolute_place_as_their_own_are_a_warning(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert [(one.rule, one.file, one.severity) for one in findings(tmp_path)] == [("absolute-prefix", path, "warning")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("x.cmake", 'set(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/..")\nfind_path(X_H x.h HINTS "/usr/include")\n'),
        ("x.bat", "set PLACE=%~dp0\r\necho C:\\example\r\n"),
    ],
)
def test_places_that_follow_from_the_file_are_good(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / path).write_text(text)
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "leaves"),
    [
        ("/srv/elsewhere/src", True),
        ("C:\\work\\src", True),
        ("../../../../elsewhere", True),
        ("import __editable___demo_finder; __editable___demo_finder.install()", True),
        ("win32\\lib", False),
        ("../plugins", False),
        ("# /srv/elsewhere", False),
        ("import os; os.environ['X'] = '/srv'", False),
    ],
)
def test_a_path_file_must_not_lead_out_of_the_bundle(tmp_path: Path, line: str, leaves: bool) -> None:
    site = tmp_path / LINUX.site_packages("3.12.10")
    site.mkdir(parents=True)
    (site / "demo.pth").write_text(f"\n{line}\n")
    assert [(one.rule, one.severity) for one in findings(tmp_path)] == [("path-file-leaves", "error")] * leaves


def test_blank_lines_without_end_take_no_time(tmp_path: Path) -> None:
    for name in ("x.pc", "x.cmake", "x.bat"):
        (tmp_path / name).write_bytes(b"\n" * 2**20 + b" " * 2**20)
    assert findings(tmp_path) == []
