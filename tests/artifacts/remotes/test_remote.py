"""What every kind of remote does alike: a folder, object stores and container registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.object_store import ObjectStore
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue
from bundle.artifacts.remotes.registry import Registry
from bundle.artifacts.remotes.remote import MissingBlobError, Remote
from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish
from tests.artifacts.remotes.stores import gcs, s3

BLOB = Blob.of(b"onetwo")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Mapping[str, str]]:
    with s3() as environ:
        yield environ


@pytest.fixture(scope="module")
def google() -> Iterator[Mapping[str, str]]:
    with gcs() as environ:
        yield environ


@pytest.fixture(
    params=[
        "folder",
        *(
            pytest.param(kind, marks=pytest.mark.real)
            for kind in ("s3 with conditional writes", "s3 with tickets", "gs", "container registry")
        ),
    ]
)
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """An empty remote of each kind."""
    if request.param == "folder":
        return FileRemote(Folder(tmp_path / "remote", reporter=Reporter()))
    if request.param == "container registry":
        return Registry(f"oci://{request.getfixturevalue('host')}/team/r{token_hex(4)}", {}, Reporter())
    scheme = request.param.split()[0]
    environ = request.getfixturevalue("google" if scheme == "gs" else "bucket")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore(f"{scheme}://runtimes/{token_hex(4)}", environ)
    if request.param == "s3 with tickets":
        store.__dict__["_has_conditions"] = False
    return FileRemote(store)


def test_a_new_remote_is_empty(remote: Remote) -> None:
    assert remote.catalogue() == (PublishedCatalogue(), None)
    assert remote.lacking(CONTENT) == set(CONTENT)


def test_what_was_published_is_read_again(remote: Remote) -> None:
    (entry,) = publish(remote, document())
    catalogue, token = remote.catalogue()
    assert catalogue.bundles == (entry,)
    assert token
    assert remote.bundle(entry) == document()
    assert {blob: b"".join(remote.read(blob)) for blob in CONTENT} == CONTENT
    assert b"".join(remote.read(BLOB, 2, 3)) == b"etw"
    assert remote.lacking([*CONTENT, Blob.of(b"other")]) == {Blob.of(b"other")}


def test_what_is_sent_again_stays(remote: Remote) -> None:
    assert publish(remote, document()) == publish(remote, document())
    assert len(remote.catalogue()[0].bundles) == 1
    assert b"".join(remote.read(BLOB)) == b"onetwo"


def test_a_bundle_that_was_taken_out_is_not_listed(remote: Remote) -> None:
    publish(remote, document(), document(platform="windows-x64"))
    catalogue, token = remote.catalogue()
    remote.replace_catalogue(catalogue.without("3.12.10", ["linux-x64"]), token)
    assert [entry.platform for entry in remote.catalogue()[0].bundles] == ["windows-x64"]


def test_a_missing_blob_is_named(remote: Remote) -> None:
    with pytest.raises(MissingBlobError, match=BLOB.sha256):
        list(remote.read(BLOB))


def test_other_bytes_than_those_of_a_blob_are_not_kept(remote: Remote) -> None:
    with pytest.raises((IntegrityError, NetworkError)):
        remote.send(BLOB, lambda: [b"onetw0"])
    assert remote.lacking([BLOB]) == {BLOB}


def test_a_document_of_another_size_is_refused(remote: Remote) -> None:
    (entry,) = publish(remote, document())
    with pytest.raises(IntegrityError):
        remote.bundle(replace(entry, document=replace(entry.document, size=entry.document.size + 1)))
