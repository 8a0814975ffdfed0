from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import PackedArchive
from bundle.artifacts.store.store import Store
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.assemble.documents import documents_beside, documents_inside, licences_of
from bundle.make.assemble.layers import Layering
from bundle.model.file_list import FILE_LIST, FileList
from bundle.model.locks.lock import LockedFile, LockedPackage
from bundle.model.platforms import PLATFORMS
from tests.artifacts.documents.described import LOCK, MANIFEST
from tests.artifacts.wheelmaker import make_wheel


def test_the_list_of_files_holds_the_bill_of_materials_and_the_manifest_the_list() -> None:
    manifest, documents = documents_inside(MANIFEST, [], {"packages/pylock.toml": "x"}, {}, epoch=0)
    assert sorted(documents) == ["bundle-files.json", "bundle.json", "packages/pylock.toml", "sbom.cdx.json"]
    listed = FileList.parse(documents[FILE_LIST].encode())
    assert sorted(entry.path for layer in listed.layers for entry in layer.entries) == [
        "packages/pylock.toml",
        "sbom.cdx.json",
    ]
    assert manifest.files == hashlib.sha256(documents[FILE_LIST].encode()).hexdigest()
    assert json.loads(documents["bundle.json"])["files"] == manifest.files


def test_the_bill_of_materials_beside_the_archive_is_the_one_inside(tmp_path: Path) -> None:
    tree, project = tmp_path / "tree", tmp_path / "project"
    tree.mkdir()
    project.mkdir()
    (tree / "sbom.cdx.json").write_text("{}\n")
    (project / "shared-config.json").write_text("{}")
    archive = PackedArchive(path=tmp_path / "a.tar.zst", sha256="f" * 64, size=1)
    inputs = [project / "shared-config.json", tmp_path / "gone.toml"]
    texts = documents_beside(MANIFEST, [LOCK], [archive], tree=tree, inputs=inputs, root=project)
    assert texts["sbom"] == "{}\n"
    statement = json.loads(texts["provenance"])
    assert statement["subject"] == [{"name": "a.tar.zst", "digest": {"sha256": "f" * 64}}]
    asked = statement["predicate"]["buildDefinition"]["externalParameters"]["project"]
    assert [one["name"] for one in asked] == ["shared-config.json"]


def test_licences_are_read_from_the_layers_of_wheels(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    layering = Layering(store=store, platform=PLATFORMS["linux-x64"], python="3.12.1", reporter=Reporter())
    made = []
    for name, metadata in (("Free_Tool", "License-Expression: MIT\n"), ("silent", "")):
        wheel = make_wheel(tmp_path, name, "1.0", files={f"{name}.py": b""}, metadata=metadata)
        file = LockedFile(name=wheel.name, size=1, sha256=sha256_of(wheel))
        package = LockedPackage(name=name, version="1.0", kind="wheel", file=file, reason="", required_by=("",))
        made.append(layering.wheel(wheel, sha256=file.sha256, package=package))
    assert licences_of(made, store) == {("free-tool", "1.0"): "MIT"}
    assert licences_of([replace(made[0], kind="interpreter")], store) == {}
