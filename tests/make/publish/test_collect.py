from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import PublishedEntry
from bundle.artifacts.remotes.remote import MissingBlobError
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.make.publish.collect import collect, unpublish
from tests.artifacts.remotes.made import document, layer, publish

DAY = 86400.0


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    """Two bundles that share a layer."""
    remote = FileRemote(Folder(tmp_path, reporter=Reporter()))
    publish(remote, document(), document("3.12.10-atls", layers=[layer("cpython", b"one", b"two")]))
    return remote


def age(folder: Path) -> None:
    """Let everything be very old."""
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))


def names(remote: FileRemote) -> set[str]:
    return {one.name for one in remote.stored()}


def test_what_the_catalogue_names_stays(remote: FileRemote, tmp_path: Path) -> None:
    age(tmp_path)
    done = collect(remote, grace=0, reporter=Reporter())
    assert (done.removed, done.kept, done.young) == ((), 4, 0)


def test_what_only_an_unpublished_bundle_needed_goes(remote: FileRemote, tmp_path: Path) -> None:
    (gone,) = unpublish(remote, "3.12.10", [])
    assert gone == PublishedEntry.of(document())
    assert len(names(remote)) == 4
    age(tmp_path)
    done = collect(remote, grace=DAY, reporter=Reporter())
    own = document().layers[1].blob
    assert {one.name for one in done.removed} == {own.sha256, gone.document.sha256}
    assert own.size < done.freed < own.size + gone.document.size
    (entry,) = remote.catalogue()[0].bundles
    assert names(remote) == {entry.document.sha256, *(blob.sha256 for blob in remote.bundle(entry).blobs)}


def test_what_is_young_stays(remote: FileRemote) -> None:
    unpublish(remote, "3.12.10", ["linux-x64"])
    done = collect(remote, grace=DAY, reporter=Reporter())
    assert (done.removed, done.young, done.kept) == ((), 2, 2)
    assert len(names(remote)) == 4


def test_a_dry_run_removes_nothing(remote: FileRemote, tmp_path: Path) -> None:
    unpublish(remote, "3.12.10", [])
    age(tmp_path)
    before = names(remote)
    said = collect(remote, grace=DAY, reporter=Reporter(), dry_run=True)
    assert names(remote) == before
    done = collect(remote, grace=DAY, reporter=Reporter())
    assert {one.name for one in said.removed} == {one.name for one in done.removed} == before - names(remote)


def test_files_of_others_stay(remote: FileRemote, tmp_path: Path) -> None:
    unpublish(remote, "3.12.10", [])
    unpublish(remote, "3.12.10-atls", [])
    foreign = [tmp_path / "notes.txt", tmp_path / "blobs/sha256/aa/notes", tmp_path / "bundles/3.12.10/notes.json"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    age(tmp_path)
    assert len(collect(remote, grace=0, reporter=Reporter()).removed) == 4
    assert all(path.is_file() for path in foreign)


def test_nothing_is_removed_when_a_document_cannot_be_read(remote: FileRemote, tmp_path: Path) -> None:
    publish(remote, document("3.12.10-third"))
    unpublish(remote, "3.12.10", [])
    age(tmp_path)
    next((tmp_path / "bundles" / "3.12.10-third").rglob("*.json.zst")).unlink()
    before = names(remote)
    with pytest.raises(MissingBlobError):
        collect(remote, grace=0, reporter=Reporter())
    assert names(remote) == before


def test_nothing_is_removed_where_no_catalogue_tells_what_is_needed(remote: FileRemote, tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").unlink()
    age(tmp_path)
    before = names(remote)
    with pytest.raises(ConfigError, match="has no catalogue, so nothing tells what is needed"):
        collect(remote, grace=0, reporter=Reporter())
    assert names(remote) == before != set()


def test_only_what_is_there_is_unpublished(remote: FileRemote) -> None:
    with pytest.raises(ConfigError, match=r"has no 3\.12\.11\.") as caught:
        unpublish(remote, "3.12.11", [])
    assert "Did you mean" in caught.value.as_text()
    with pytest.raises(ConfigError, match=r"has no 3\.12\.10 for windows-x64\."):
        unpublish(remote, "3.12.10", ["linux-x64", "windows-x64"])
    assert remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-atls"]
