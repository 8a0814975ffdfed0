from __future__ import annotations

import hashlib
import os
import platform
import py_compile
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.make.interpreter.compilers import Compiler
from bundle.make.verify.audit.file_list import check_files
from bundle.make.verify.audit.records import check_records
from bundle.make.verify.checks.findings import Outcome
from bundle.model.manifest import Manifest, PythonRecord
from tests.make.audited import PYTHON, Made, good
from tests.make.listed import subject_of, with_list

STAMP = bytes(16)
"""A compiled module that is judged by time; the magic number does not matter."""


def listed(made: Made) -> Manifest:
    manifest = Manifest(version=PYTHON, platform=made.platform.key, python=PythonRecord(actual=PYTHON))
    return with_list(made.root, manifest)


def check(made: Made, manifest: Manifest) -> Outcome:
    return check_files(subject_of(made.root, manifest))


def found(made: Made, manifest: Manifest) -> list[tuple[str, str]]:
    return [(one.rule, one.subject) for one in check(made, manifest).findings]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    bundle = good(tmp_path, "linux-x64")
    bundle.write("lib/tool/run", "#!/bin/sh\n", executable=True)
    bundle.write("lib/tool/data", "data")
    (bundle.root / "lib/tool/link").symlink_to("data")
    return bundle


def test_what_was_built_passes(made: Made) -> None:
    manifest = listed(made)
    outcome = check(made, manifest)
    assert outcome.findings == ()
    assert outcome.checked > 10


def test_each_kind_of_change_is_told_with_its_file(made: Made) -> None:
    manifest = listed(made)
    tool = made.root / "lib/tool"
    (tool / "data").write_text("dato")
    assert found(made, manifest) == [("file-changed", "lib/tool/data")]
    (tool / "data").unlink()
    assert ("file-removed", "lib/tool/data") in found(made, manifest)
    (tool / "data").mkdir()
    assert ("file-changed", "lib/tool/data") in found(made, manifest)
    (tool / "data").rmdir()
    (tool / "data").symlink_to("run")
    assert ("file-changed", "lib/tool/data") in found(made, manifest)


def test_a_link_is_compared_by_its_target(made: Made) -> None:
    manifest = listed(made)
    link = made.root / "lib/tool/link"
    link.unlink()
    link.symlink_to("./data")
    assert found(made, manifest) == [("file-changed", "lib/tool/link")]
    link.unlink()
    link.write_text("data")
    assert found(made, manifest) == [("file-changed", "lib/tool/link")]


@pytest.mark.parametrize("mode", [0o644, 0o4755, 0o2755, 0o1755, 0o757, 0o775, 0o700, 0o655])
def test_other_permissions_are_told(made: Made, mode: int) -> None:
    manifest = listed(made)
    (made.root / "lib/tool/run").chmod(mode)
    assert found(made, manifest) == [("mode-changed", "lib/tool/run")]


def test_a_folder_has_permissions_too(made: Made) -> None:
    manifest = listed(made)
    (made.root / "lib/tool").chmod(0o777)
    assert found(made, manifest) == [("mode-changed", "lib/tool")]


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o222])
def test_a_stricter_umask_when_unpacking_is_no_error(made: Made, mask: int) -> None:
    manifest = listed(made)
    paths = [path for path in made.root.rglob("*") if not path.is_symlink()]
    for path in sorted(paths, reverse=True):
        path.chmod(path.stat().st_mode & ~mask)
    assert found(made, manifest) == [("modes-unknown", "permissions")]
    (made.root / "lib/tool/run").chmod(0o644 & ~mask)
    assert ("mode-changed", "lib/tool/run") in found(made, manifest)


def test_permissions_that_a_zip_lost_are_one_row_for_a_layer(made: Made) -> None:
    manifest = listed(made)
    for name in ("lib/tool/run", "bin/python3.12"):
        (made.root / name).chmod(0o644)
    (finding,) = check(made, manifest).findings
    assert (finding.rule, finding.subject, finding.message) == (
        "mode-changed",
        "all 1.0",
        "2 paths have other permissions than were built.",
    )
    assert finding.details == (
        "bin/python3.12 has mode 0644, and had 0755",
        "lib/tool/run has mode 0644, and had 0755",
    )


@pytest.mark.parametrize(
    "path",
    [
        "sitecustomize.py",
        "lib/python3.12/sitecustomize.py",
        "lib/python3.12/site-packages/usercustomize/__init__.py",
        "lib/python3.12/site-packages/__pycache__/sitecustomize.cpython-312.pyc",
        "lib/python3.12/site-packages/anything.pth",
        "pyvenv.cfg",
        "bin/pyvenv.cfg",
        "bin/python312._pth",
        "lib/python3.12/os.py",
        "lib/python3.12/numpy.py",
        "note.txt",
        "lib/__pycache__.txt",
    ],
)
def test_a_file_that_no_layer_has_is_an_error(made: Made, path: str) -> None:
    manifest = listed(made)
    made.write(path, STAMP)
    assert "file-added" in {rule for rule, _ in found(made, manifest)}


def test_an_empty_folder_is_one_too(made: Made) -> None:
    manifest = listed(made)
    (made.root / "lib/new").mkdir()
    assert found(made, manifest) == [("file-added", "lib/new")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_a_pipe_is_told_and_not_read(made: Made) -> None:
    manifest = listed(made)
    os.mkfifo(made.root / "lib/tool/pipe")
    (made.root / "lib/tool/data").unlink()
    os.mkfifo(made.root / "lib/tool/data")
    findings = check(made, manifest).findings
    assert [(one.rule, one.message) for one in findings] == [
        ("file-changed", "is a pipe, and was a file (layer all 1.0)."),
        ("file-added", "is a pipe that no layer has."),
    ]


def test_compiled_modules_that_python_wrote_are_no_differences_but_compared_with_their_sources(made: Made) -> None:
    manifest = listed(made)
    for name in ("__init__.cpython-312.pyc", "__init__.cpython-312.opt-1.pyc", "__init__.cpython-312.opt-2.pyc"):
        made.write(f"{made.site}/sums/__pycache__/{name}", STAMP)
    (note,) = check(made, manifest).findings
    assert (note.rule, note.severity) == ("compiled-differs", "note")
    assert "no CPython 3.12 on this machine" in note.message


@pytest.mark.real
def test_a_planted_module_with_the_time_and_size_of_its_source_is_found(made: Made) -> None:
    source = made.root / "lib/tool.py"
    source.write_text("answer = 42\n")
    other = made.root / "other.py"
    other.write_text("answer = 43\n")
    python = platform.python_version()
    manifest = replace(listed(made), python=PythonRecord(actual=python))

    def severities(version: str) -> list[tuple[str, str, str]]:
        compiler = Compiler(python=Path(sys.executable), version=version)
        findings = check_files(replace(subject_of(made.root, manifest), compiler=lambda: compiler)).findings
        return [(one.rule, one.severity, one.file) for one in findings]

    planted = py_compile.compile(str(source), doraise=True)
    assert planted is not None
    assert severities(python) == []
    py_compile.compile(str(other), cfile=planted, dfile=str(source), doraise=True)
    path = Path(planted).relative_to(made.root).as_posix()
    assert severities(python) == [("compiled-differs", "error", path)]
    assert severities("3.9.0") == [("compiled-differs", "warning", path)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("__init__.cpython-312.pyc", b"magi\1\0\0\0" + bytes(8)),
        ("__init__.cpython-312.pyc", b"magi\3\0\0\0" + bytes(8)),
        ("__init__.cpython-312.pyc", b""),
        ("__init__.cpython-311.pyc", STAMP),
        ("__init__.cpython-312.opt-3.pyc", STAMP),
        ("__init__.pyc", STAMP),
        ("ghost.cpython-312.pyc", STAMP),
        ("__init__.cpython-312.txt", STAMP),
    ],
)
def test_a_compiled_module_that_python_did_not_write_by_itself_is_an_error(
    made: Made, name: str, content: bytes
) -> None:
    manifest = listed(made)
    path = made.write(f"{made.site}/sums/__pycache__/{name}", content)
    assert found(made, manifest) == [("file-added", path)]


def test_a_compiled_module_that_was_built_is_compared(made: Made) -> None:
    path = made.write(f"{made.site}/sums/__pycache__/__init__.cpython-312.pyc", b"magi\1\0\0\0" + bytes(20))
    manifest = listed(made)
    made.write(path, STAMP)
    assert found(made, manifest) == [("file-changed", path)]


def test_what_the_list_tells_is_not_told_again_by_records(made: Made) -> None:
    manifest = listed(made)
    made.write(f"{made.site}/sums/__init__.py", "changed")
    made.write(f"{made.site}/sums/added.py", "added")
    assert {rule for rule, _ in found(made, manifest)} == {"file-changed", "file-added"}
    assert check_records(subject_of(made.root, manifest)).findings == ()
    (made.root / "bundle-files.json").unlink()
    rules = {finding.rule for finding in check_records(subject_of(made.root, manifest)).findings}
    assert rules == {"record-differs", "record-unlisted"}


class TestTheList:
    def test_a_bundle_without_one_is_unfit(self, made: Made) -> None:
        manifest = listed(made)
        assert found(made, replace(manifest, files="")) == [("list-missing", "bundle.json")]
        (made.root / "bundle-files.json").unlink()
        assert found(made, manifest) == [("list-missing", "bundle-files.json")]

    def test_one_that_cannot_be_read_is_none(self, made: Made) -> None:
        manifest = listed(made)
        made.write("bundle-files.json", "{}")
        assert found(made, manifest) == [("list-missing", "bundle-files.json")]

    def test_it_must_be_the_one_that_the_manifest_names(self, made: Made) -> None:
        manifest = listed(made)
        path = made.root / "bundle-files.json"
        path.write_text(path.read_text() + "\n")
        assert found(made, manifest) == [("list-differs", "bundle-files.json")]

    def test_it_has_the_layers_of_the_manifest(self, made: Made) -> None:
        manifest = listed(made)
        text = (made.root / "bundle-files.json").read_text().replace('"digest": ""', f'"digest": "{"1" * 64}"')
        made.write("bundle-files.json", text)
        files = hashlib.sha256(text.encode()).hexdigest()
        assert found(made, replace(manifest, files=files)) == [("list-differs", "bundle.json")]
