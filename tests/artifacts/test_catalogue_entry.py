from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.archives.bundle_archive import PackedArchive
from bundle.artifacts.catalogue_entry import Entry, bundle_digest, entry_of
from bundle.artifacts.store.layers import Layer
from bundle.model.manifest import Manifest, PackageRecord, PythonRecord, SkippedRecord
from bundle.model.records import MalformedError
from tests.artifacts.bundles import bundle

LAYERS = tuple(
    Layer(digest=digit * 64, kind="wheel", name=f"p{digit}", version="1", size=int(digit), entries=(), about={})
    for digit in "12"
)

MANIFEST = Manifest(
    version="3.12.10",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.1", source="host"),
    packages=(
        PackageRecord(name="a", version="1", decision="wheel", reason="r", required_by=("",), file="a.whl", sha256="s"),
        PackageRecord(name="b", version="1", decision="source", reason="r", required_by=("a",), commit="c0ffee"),
    ),
    skipped=(SkippedRecord(name="c", kind="missing", reason="none", required_by=("",), available=("x",)),),
    floor={"glibc": "2.28"},
)


def test_an_entry_is_the_same_after_writing_and_reading() -> None:
    assert Entry.from_json(bundle().to_json()) == bundle()


def test_the_manifest_gives_an_entry_with_paths_relative_to_the_catalogue(tmp_path: Path) -> None:
    archive = PackedArchive(path=tmp_path / "out" / "3.12.10-linux-x64.tar.zst", sha256="f" * 64, size=7)
    entry = entry_of(
        MANIFEST, LAYERS, [archive], folder=tmp_path / "out" / "3.12.10" / "linux-x64", root=tmp_path / "project"
    )
    assert entry.path == "../out/3.12.10/linux-x64"
    assert [(one.format, one.path) for one in entry.archives] == [("tar.zst", "../out/3.12.10-linux-x64.tar.zst")]
    assert [(one.name, one.file, one.required_by) for one in entry.packages] == [
        ("a", "a.whl", ("",)),
        ("b", "commit c0ffee", ("a",)),
    ]
    assert entry.skipped[0].available == ("x",)
    assert (entry.size, entry.digest) == (3, bundle_digest(LAYERS))
    assert list(entry.to_json()["python"]) == ["requested", "actual", "source"]


def test_the_digest_depends_on_the_order_of_layers() -> None:
    assert bundle_digest(LAYERS) != bundle_digest(LAYERS[::-1])


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(MalformedError, match="unknown key more"):
        Entry.from_json({**bundle().to_json(), "more": 1})
