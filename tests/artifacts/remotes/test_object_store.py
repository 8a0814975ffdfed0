"""Object stores, with their real clients and servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from secrets import token_hex
from threading import Thread

import pytest

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.object_store import ObjectStore
from bundle.artifacts.remotes.published import LARGEST_CATALOGUE, Blob, PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import CatalogueChangedError, MissingBlobError, Remote
from bundle.base.errors import BundleError, ConfigError, IntegrityError, NetworkError
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish
from tests.artifacts.remotes.stores import SECRET, gcs, s3

pytestmark = pytest.mark.real

BLOB = Blob.of(b"onetwo")


@pytest.fixture(scope="module")
def server() -> Iterator[Mapping[str, str]]:
    with s3() as environ:
        yield environ


@pytest.fixture
def environ(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(scope="module")
def google() -> Iterator[Mapping[str, str]]:
    with gcs() as environ:
        yield environ


@pytest.fixture
def s3_store(environ: Mapping[str, str]) -> ObjectStore:
    """A new folder of a bucket; the server of Google's interface ends no uploads that were begun."""
    return ObjectStore(f"s3://runtimes/{token_hex(4)}", environ)


@pytest.fixture(params=["s3 with conditional writes", "s3 with tickets", "gs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A new folder of a bucket, whose catalogue is replaced in either way."""
    scheme = request.param.split()[0]
    environ = request.getfixturevalue("google" if scheme == "gs" else "environ")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore(f"{scheme}://runtimes/{token_hex(4)}", environ)
    if request.param == "s3 with tickets":
        store.__dict__["_has_conditions"] = False
    return store


def test_the_listing_has_what_was_published(store: ObjectStore) -> None:
    remote = FileRemote(store)
    (entry,) = publish(remote, document())
    (described,), blobs = (
        [one for one in remote.stored() if (one.kind == "document") is wanted] for wanted in (True, False)
    )
    # It is stored compressed.
    assert described.name == entry.document.sha256
    assert 0 < described.size < entry.document.size
    assert {(one.kind, one.name, one.size) for one in blobs} == {("blob", one.sha256, one.size) for one in CONTENT}


@pytest.mark.parametrize("content", [b"\r", b"ends\r", b"ends\r\n", b"ends\n", b"\n--==0==--\r\n"])
def test_any_bytes_come_back_as_they_were_sent(store: ObjectStore, content: bytes) -> None:
    store.put("blobs/any", [content], len(content))
    assert (found := store.get("blobs/any", 100)) is not None
    assert found[0] == content


def test_the_address_opens_the_store(environ: Mapping[str, str]) -> None:
    remote = open_writable("s3://runtimes/by-address/", Access(environ=environ, reporter=Reporter()))
    assert remote.url == "s3://runtimes/by-address"
    publish(remote, document())


def test_a_catalogue_that_another_process_changed_is_not_overwritten(store: ObjectStore) -> None:
    remote = FileRemote(store)
    publish(remote, document())
    before, token = remote.catalogue()
    publish(remote, document("3.12.10-atls"))
    for state in (token, None):
        with pytest.raises(CatalogueChangedError):
            remote.replace_catalogue(before, state)
    assert remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-atls"]


def test_a_store_with_conditions_is_recognised(environ: Mapping[str, str]) -> None:
    assert ObjectStore(f"s3://runtimes/{token_hex(4)}", environ)._has_conditions


def test_of_publishers_at_the_same_time_one_succeeds_with_each_state(store: ObjectStore) -> None:
    remotes = [FileRemote(store), FileRemote(ObjectStore(store.url, os.environ))]
    remotes[1].files.__dict__["_has_conditions"] = store._has_conditions
    for number in range(3):
        _, token = remotes[0].catalogue()
        done: list[int] = []

        def write(remote: Remote, own: int, token: str | None = token, done: list[int] = done) -> None:
            try:
                entry = PublishedEntry.of(document(f"3.12.10-v{own}"))
                remote.replace_catalogue(PublishedCatalogue(bundles=(entry,)), token)
                done.append(own)
            except CatalogueChangedError:
                pass

        threads = [Thread(target=write, args=(remote, 2 * number + own)) for own, remote in enumerate(remotes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [f"3.12.10-v{own}" for own in done] == remotes[0].catalogue()[0].versions()


def test_a_large_blob_is_sent_in_parts_and_only_whole(s3_store: ObjectStore) -> None:
    content = os.urandom(2**20) * 40
    blob = Blob.of(content)
    remote = FileRemote(s3_store)
    parts = [content[start : start + 2**20] for start in range(0, len(content), 2**20)]
    with pytest.raises(IntegrityError):
        remote.send(blob, lambda: parts[:-1])
    with pytest.raises(ZeroDivisionError):
        remote.send(blob, lambda: (part if number < 30 else parts[1 // 0] for number, part in enumerate(parts)))
    assert remote.lacking([blob]) == {blob}
    remote.send(blob, lambda: parts)
    assert remote.lacking([blob]) == set()
    assert b"".join(remote.read(blob)) == content
    assert b"".join(remote.read(blob, 2**24 - 5, 10)) == content[2**24 - 5 : 2**24 + 5]


def test_a_renewed_blob_is_younger(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = FileRemote(store)
    publish(remote, document())
    before = {one.name: one for one in remote.stored() if one.kind == "blob"}
    monkeypatch.setattr("bundle.artifacts.remotes.files._RENEWED", -1.0)
    place = before[BLOB.sha256].place
    while (found := store.find(place)) and found.age < 1.5:
        pass
    remote.renew([BLOB])
    after = {one.name: one for one in remote.stored() if one.kind == "blob"}
    (other,) = set(before) - {BLOB.sha256}
    assert after[BLOB.sha256].age < after[other].age
    assert b"".join(remote.read(BLOB)) == b"onetwo"
    assert remote.remove(after[other], younger_than=1)
    assert {one.name for one in remote.stored() if one.kind == "blob"} == {BLOB.sha256}


def test_what_is_missing_or_wrong_is_named(s3_store: ObjectStore, environ: Mapping[str, str]) -> None:
    remote = FileRemote(s3_store)
    with pytest.raises(MissingBlobError, match=BLOB.sha256):
        list(remote.read(BLOB))
    s3_store.put("catalogue.json", [b"[" * (LARGEST_CATALOGUE + 1)], LARGEST_CATALOGUE + 1)
    with pytest.raises(IntegrityError, match="more than"):
        remote.catalogue()
    absent = FileRemote(ObjectStore("s3://absent-bucket/x", environ))
    with pytest.raises(NetworkError, match="absent-bucket"):
        publish(absent, document())


@pytest.mark.parametrize("url", ["s3://", "s3:///path", f"s3://me:{SECRET}@runtimes/x", "s3://runtimes/x?versionId=1"])
def test_an_address_without_a_bucket_or_with_more_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_writable(url, Access(environ={}, reporter=Reporter()))
    assert SECRET not in caught.value.as_text()


def test_a_missing_client_is_named_with_its_extra() -> None:
    with pytest.raises(ConfigError, match="not installed") as caught:
        open_writable("az://bucket/x", Access(environ={}, reporter=Reporter())).catalogue()
    assert "pip install 'bundle-toolchain[azure]'" in caught.value.as_text()


def test_no_message_holds_a_secret(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:9/{SECRET}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(BundleError) as caught:
        FileRemote(ObjectStore("s3://runtimes/x", environ)).catalogue()
    assert SECRET not in caught.value.as_text()
