from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.wheel.scripts import entry_script, shipped_script, windows_launcher
from bundle.base.report import Reporter
from bundle.make.verify.audit.script_starts import judge_start
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS, Platform

LINUX, WINDOWS = PLATFORMS["linux-x64"], PLATFORMS["windows-x64"]
PYTHON = "3.12.10"


def findings(root: Path, platform: Platform) -> dict[str, Finding]:
    subject = Subject(
        contents=read_contents(root, python=PYTHON, platform=platform),
        manifest=Manifest(version=PYTHON, platform=platform.key, python=PythonRecord(actual=PYTHON)),
        policy=Policy(),
        jobs=1,
        reporter=Reporter(),
    )
    folder = root / platform.scripts
    found = [finding for path in folder.iterdir() for finding in judge_start(subject, f"{folder.name}/{path.name}")]
    assert len({finding.file for finding in found}) == len(found)
    return {finding.file.rpartition("/")[2]: finding for finding in found}


def bundle(root: Path, platform: Platform, scripts: dict[str, bytes]) -> Path:
    interpreter = root / platform.executable(PYTHON)
    interpreter.parent.mkdir(parents=True, exist_ok=True)
    interpreter.write_bytes(b"")
    (root / platform.scripts).mkdir(exist_ok=True)
    for name, content in scripts.items():
        (root / platform.scripts / name).write_bytes(content)
    return root


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("#!/bin/sh", None),
        ("#!/usr/bin/env bash", None),
        ("#!/usr/bin/perl -w", None),
        ("#!/usr/bin/env python3", "warning"),
        ("#!/usr/bin/python3 -E", "error"),
        ('#!"/opt/a b/bin/python3"', "error"),
        ("#!/usr/local/bin/node", "warning"),
        ("#!/usr/bin/node", "warning"),
        ("#!/opt/conda/bin/Rscript --vanilla", "warning"),
        ("no script", None),
    ],
)
def test_a_script_must_start_what_every_system_has(tmp_path: Path, line: str, severity: str | None) -> None:
    found = findings(bundle(tmp_path, LINUX, {"tool": f"{line}\n".encode()}), LINUX)
    assert found.get("tool") is None if severity is None else found["tool"].severity == severity
    assert all(finding.rule == "script-interpreter" for finding in found.values())


def test_a_script_with_a_header_must_find_its_interpreter_beside_it(tmp_path: Path) -> None:
    scripts = {
        name: entry_script(name, "m", "f", platform=LINUX, python=python).content
        for name, python in (("good", "3.12.1"), ("stale", "3.11.9"))
    }
    found = findings(bundle(tmp_path, LINUX, scripts), LINUX)
    assert list(found) == ["stale"]
    assert "starts python3.11 beside it, which is not there" in found["stale"].message
    assert found["stale"].severity == "error"


def test_windows_launchers_must_find_the_interpreter_beside_them(tmp_path: Path) -> None:
    good = windows_launcher(b"print()", WINDOWS, gui=False)
    before, _, after = good.partition(b"#!<launcher_dir>\\..\\python.exe\n")
    lines = {
        "good.exe": b"#!<launcher_dir>\\..\\python.exe\n",
        "flags.exe": b"#!<launcher_dir>\\..\\Python.EXE -Es\n",
        "gone.exe": b"#!<launcher_dir>\\..\\nopython.exe\n",
        "outside.exe": b"#!<launcher_dir>\\..\\..\\python.exe\n",
        "absolute.exe": b"#!C:\\Python312\\python.exe\n",
        "quoted.exe": b'#!"C:\\Program Files\\python.exe" -E\n',
        "posix.exe": b"#!/opt/elsewhere/bin/python\n",
        "any.exe": b"#!python.exe\n",
    }
    launchers = {name: before + line + after for name, line in lines.items()}
    found = findings(bundle(tmp_path, WINDOWS, {**launchers, "tool.exe": b"MZ no launcher at all"}), WINDOWS)
    assert {name: finding.severity for name, finding in found.items()} == {
        "gone.exe": "error",
        "outside.exe": "error",
        "absolute.exe": "error",
        "quoted.exe": "error",
        "posix.exe": "error",
        "any.exe": "warning",
    }
    assert all(finding.rule == "launcher-interpreter" for finding in found.values())
    assert "C:\\Program Files\\python.exe" in found["quoted.exe"].message
    assert "is not in the bundle" in found["gone.exe"].message


@pytest.mark.parametrize("line", [b"#!python", b"#!/usr/bin/python3 -Es", b"#!/usr/bin/env python"])
def test_nothing_is_wrong_with_what_becomes_of_a_wheels_script_on_windows(tmp_path: Path, line: bytes) -> None:
    files = shipped_script("tool", line + b"\r\nprint()\r\n", platform=WINDOWS, python=PYTHON)
    scripts = {file.name: file.content for file in files}
    assert findings(bundle(tmp_path, WINDOWS, scripts), WINDOWS) == {}


def test_batch_files_must_not_start_programs_of_the_build_machine(tmp_path: Path) -> None:
    scripts = {
        "good.bat": b'@echo off\r\n"%~dp0..\\python.exe" "%~dp0tool" %*\r\n',
        "comment.bat": b"rem C:\\Python312\\python.exe is not needed\r\n:: C:\\x.exe\r\n",
        "python.cmd": b'@"C:\\Python312\\python.exe" "%~dp0tool" %*\r\n',
        "other.bat": b"D:\\tools\\make.exe all\r\n",
    }
    found = findings(bundle(tmp_path, WINDOWS, scripts), WINDOWS)
    assert {name: finding.severity for name, finding in found.items()} == {
        "python.cmd": "error",
        "other.bat": "warning",
    }
