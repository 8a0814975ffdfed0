"""The layout of remotes that hold files, in a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import LARGEST_CATALOGUE, Blob
from bundle.artifacts.remotes.remote import CatalogueChangedError, MissingBlobError
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish

BLOB = Blob.of(b"onetwo")


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    return FileRemote(Folder(tmp_path / "remote", reporter=Reporter()))


def path_of(blob: Blob, folder: Path) -> Path:
    return folder / "remote" / "blobs" / "sha256" / blob.sha256[:2] / blob.sha256


def test_a_remote_that_does_not_exist_yet_has_nothing_stored(remote: FileRemote) -> None:
    assert list(remote.stored()) == []


def test_blobs_and_documents_lie_where_their_digests_say(remote: FileRemote, tmp_path: Path) -> None:
    (entry,) = publish(remote, document())
    assert path_of(BLOB, tmp_path).read_bytes() == b"onetwo"
    assert (tmp_path / "remote/bundles/3.12.10/linux-x64" / f"{entry.document.sha256}.json.zst").is_file()
    assert b"".join(remote.read(BLOB, 2, 0)) == b""


def test_only_what_is_missing_or_cut_short_is_lacking(remote: FileRemote, tmp_path: Path) -> None:
    publish(remote, document())
    other = Blob.of(b"other")
    assert remote.lacking([BLOB, other, other]) == {other}
    path_of(BLOB, tmp_path).write_bytes(b"one")
    assert remote.lacking([BLOB, other]) == {BLOB, other}


@pytest.mark.parametrize("chunks", [[b"onetw", b"a"], [b"onetwo", b"more"], [b"one"], []])
def test_other_bytes_than_the_digest_says_are_not_sent(remote: FileRemote, tmp_path: Path, chunks: list[bytes]) -> None:
    with pytest.raises(IntegrityError, match="changed while they were sent"):
        remote.send(BLOB, lambda: chunks)
    assert [path for path in (tmp_path / "remote").rglob("*") if path.is_file()] == []


def test_a_catalogue_that_another_process_changed_is_not_overwritten(remote: FileRemote) -> None:
    publish(remote, document())
    before, token = remote.catalogue()
    publish(remote, document("3.12.10-atls"))
    with pytest.raises(CatalogueChangedError):
        remote.replace_catalogue(before, token)
    with pytest.raises(CatalogueChangedError):
        remote.replace_catalogue(before, None)
    assert remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-atls"]


def test_a_document_that_an_earlier_version_stored_uncompressed_is_read(remote: FileRemote, tmp_path: Path) -> None:
    (entry,) = publish(remote, document())
    (path,) = (tmp_path / "remote" / "bundles").rglob("*.json.zst")
    path.with_suffix("").write_bytes(document().to_bytes())
    path.unlink()
    assert remote.bundle(entry) == document()
    assert [one.name for one in remote.stored() if one.kind == "document"] == [entry.document.sha256]


@pytest.mark.parametrize("size", [2**62, 0, 5])
def test_a_compressed_document_has_the_size_of_the_entry(remote: FileRemote, tmp_path: Path, size: int) -> None:
    (entry,) = publish(remote, document())
    (path,) = (tmp_path / "remote" / "bundles").rglob("*.json.zst")
    header = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little")
    path.write_bytes(header + b"\x03\xff\xff\x00")
    with pytest.raises(IntegrityError):
        remote.bundle(entry)


def test_a_changed_document_is_refused(remote: FileRemote, tmp_path: Path) -> None:
    (entry,) = publish(remote, document())
    (path,) = (tmp_path / "remote" / "bundles").rglob("*.json.zst")
    content = path.read_bytes()
    for changed in (content[:-1] + b" ", content[:-1], content + b" "):
        path.write_bytes(changed)
        with pytest.raises(IntegrityError):
            remote.bundle(entry)
    path.unlink()
    with pytest.raises(MissingBlobError):
        remote.bundle(entry)


def test_a_document_of_another_bundle_is_refused(remote: FileRemote) -> None:
    (entry,) = publish(remote, document())
    with pytest.raises(IntegrityError, match="another bundle"):
        remote.bundle(replace(entry, size=entry.size + 1))


def test_a_blob_that_is_missing_or_short_is_an_error(remote: FileRemote, tmp_path: Path) -> None:
    publish(remote, document())
    path_of(BLOB, tmp_path).write_bytes(b"onet")
    with pytest.raises(IntegrityError, match="fewer bytes"):
        list(remote.read(BLOB))
    path_of(BLOB, tmp_path).unlink()
    with pytest.raises(MissingBlobError):
        list(remote.read(BLOB))


def test_a_blob_that_is_too_long_gives_no_more_than_its_bytes(remote: FileRemote, tmp_path: Path) -> None:
    publish(remote, document())
    path_of(BLOB, tmp_path).write_bytes(b"onetwo and more")
    assert b"".join(remote.read(BLOB)) == b"onetwo"


def test_a_catalogue_without_end_is_refused(remote: FileRemote, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    with (tmp_path / "remote" / "catalogue.json").open("wb") as file:
        file.truncate(LARGEST_CATALOGUE + 1)
    with pytest.raises(IntegrityError, match="more than the"):
        remote.catalogue()


def test_a_pipe_in_place_of_the_catalogue_is_refused(remote: FileRemote, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    os.mkfifo(tmp_path / "remote" / "catalogue.json")
    with pytest.raises(IntegrityError):
        remote.catalogue()


def test_the_listing_has_what_was_published_and_nothing_else(remote: FileRemote, tmp_path: Path) -> None:
    (entry,) = publish(remote, document())
    for foreign in ("blobs/readme.txt", "blobs/sha256/00/" + "1" * 64, "bundles/x.json", "notes.txt"):
        path = tmp_path / "remote" / foreign
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    found = {(one.kind, one.name) for one in remote.stored()}
    assert found == {("document", entry.document.sha256), *(("blob", blob.sha256) for blob in CONTENT)}


def test_what_was_renewed_is_not_removed(remote: FileRemote, tmp_path: Path) -> None:
    publish(remote, document())
    for blob in CONTENT:
        os.utime(path_of(blob, tmp_path), (0, 0))
    old = [one for one in remote.stored() if one.kind == "blob"]
    assert min(one.age for one in old) > 10**9
    remote.renew([BLOB])
    assert {one.name for one in old if not remote.remove(one, younger_than=3600)} == {BLOB.sha256}
    assert {one.name for one in remote.stored() if one.kind == "blob"} == {BLOB.sha256}
    assert remote.remove(old[0])
    assert remote.remove(old[0])
