from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.catalogue import Catalogue
from bundle.base.report import Reporter
from bundle.make.verify.audit.file_list import check_files
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.policy import Known, Policy
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.known import known_of
from bundle.model.file_list import FILE_LIST
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage
from bundle.model.manifest import MANIFEST, read_manifest
from bundle.model.platforms import PLATFORMS
from tests.make.listed import seal
from tests.make.verify.built import PYTHON, Built, build
from tests.reporters import Told


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build(tmp_path)


def known(place: Path, root: Path | None = None, *, last: str = "") -> Known:
    return known_of(place, read_manifest(root or place), None, built=last, reporter=Reporter())


def findings(root: Path, what: Known) -> list[Finding]:
    contents = read_contents(root, python=PYTHON, platform=PLATFORMS["linux-x64"])
    subject = Subject(
        contents=contents, manifest=read_manifest(root), policy=Policy(known=what), jobs=1, reporter=Reporter()
    )
    return list(check_files(subject).findings)


def rules(root: Path, what: Known) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in findings(root, what)]


def forge(root: Path) -> None:
    """Change a file, and list and manifest with it."""
    (root / "lib/python3.12/os.py").write_text("name = 'virus'\n")
    (root / FILE_LIST).unlink()
    seal(root)
    value = json.loads((root / MANIFEST).read_bytes())
    (root / MANIFEST).write_text(json.dumps(value | {"layers": []}))


def test_a_bundle_is_known_by_its_place(built: Built) -> None:
    what = known(built.folder)
    assert what.by == str(built.catalogue)
    assert what.manifest == hashlib.sha256((built.folder / MANIFEST).read_bytes()).hexdigest()
    assert rules(built.folder, what) == []


def test_the_catalogue_keeps_the_hash_of_the_list(built: Built) -> None:
    (entry,) = Catalogue.load(built.catalogue).entries
    assert entry.files == hashlib.sha256((built.folder / FILE_LIST).read_bytes()).hexdigest()


def test_a_bundle_that_was_forged_with_its_list_differs_from_the_catalogue(built: Built) -> None:
    forge(built.folder)
    assert rules(built.folder, Known()) == [("bundle-unknown", "note")]
    assert rules(built.folder, known(built.folder)) == [("bundle-differs", "error")]


def test_no_other_name_hides_it(built: Built) -> None:
    forge(built.folder)
    value = json.loads((built.folder / MANIFEST).read_bytes())
    (built.folder / MANIFEST).write_text(json.dumps(value | {"version": "3.12.10-other"}))
    assert rules(built.folder, known(built.folder)) == [("bundle-differs", "error")]


def test_an_archive_and_its_copy_are_known_with_their_hash(built: Built, tmp_path: Path) -> None:
    (archive,) = built.archives
    assert known(archive.path, built.folder).archive == archive.sha256
    copy = archive.path.with_name("renamed.tar.zst")
    shutil.copyfile(archive.path, copy)
    assert known(copy, built.folder).archive == archive.sha256
    elsewhere = tmp_path / "elsewhere" / archive.path.name
    elsewhere.parent.mkdir()
    shutil.copyfile(archive.path, elsewhere)
    assert known(elsewhere, built.folder).by == ""


def test_a_copy_elsewhere_is_known_to_nothing_and_that_is_said(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(built.folder, copy, symlinks=True)
    assert rules(copy, known(copy)) == [("bundle-unknown", "note")]


def test_a_catalogue_of_something_else_is_not_used_and_named(built: Built) -> None:
    built.catalogue.write_text('{"books": []}')
    told = Told()
    what = known_of(built.folder, built.manifest, None, built="", reporter=told)
    assert what.by == ""
    assert "is not a catalogue of bundles" in told.warnings[0]


def test_an_entry_of_an_earlier_version_knows_nothing(built: Built) -> None:
    value = json.loads(built.catalogue.read_bytes())
    del value["bundles"][0]["manifest"]
    built.catalogue.write_text(json.dumps(value))
    assert known(built.folder).by == ""


def test_what_was_built_since_without_verification_is_a_warning(built: Built) -> None:
    forge(built.folder)
    last = hashlib.sha256((built.folder / MANIFEST).read_bytes()).hexdigest()
    assert rules(built.folder, known(built.folder, last=last)) == [("bundle-differs", "warning")]
    built.catalogue.unlink()
    assert known(built.folder, last=last).by == "the record of its build"
    assert rules(built.folder, known(built.folder, last=last)) == []
    assert rules(built.folder, known(built.folder, last="1" * 64)) == [("bundle-differs", "error")]


def locked(version: str = "1.0", sha256: str = "f" * 64, inputs: str = "c" * 64) -> Lock:
    package = LockedPackage(
        name="tool",
        version=version,
        kind="wheel",
        file=LockedFile(name="tool.whl", size=1, sha256=sha256),
        reason="r",
        required_by=("",),
    )
    return Lock(version=PYTHON, platform="linux-x64", python=PYTHON, inputs=inputs, packages=(package,), skipped=())


def test_packages_are_compared_with_the_lock(built: Built) -> None:
    confirmed = known(built.folder)
    assert rules(built.folder, replace(confirmed, locks=(locked(),))) == []
    assert rules(built.folder, replace(confirmed, locks=(locked(version="2.0"),))) == [("lock-differs", "warning")]
    assert rules(built.folder, replace(confirmed, locks=(locked(inputs="d" * 64),))) == [("lock-differs", "note")]
    (_, found) = findings(built.folder, Known(locks=(locked(sha256="e" * 64),)))
    assert (found.rule, found.severity) == ("lock-differs", "error")
    assert found.details == (f"tool: 1.0 ({'f' * 16}); in the lock: 1.0 ({'e' * 16})",)
