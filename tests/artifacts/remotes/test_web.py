from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.remotes.addresses import Access, open_remote
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue
from bundle.artifacts.remotes.remote import MissingBlobError
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish
from tests.base.server import Site, serving

pytestmark = pytest.mark.real

BLOB = Blob.of(b"onetwo")
ACCESS = Access(environ={}, reporter=Reporter())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of a remote that was published into a folder."""
    publish(FileRemote(Folder(tmp_path, reporter=Reporter())), document())
    with serving() as site:
        paths = (path for path in tmp_path.rglob("*") if path.is_file())
        site.files = {f"/run%20times/{path.relative_to(tmp_path).as_posix()}": path.read_bytes() for path in paths}
        site.url += "/run%20times/"
        yield site


def test_a_published_bundle_is_read(site: Site) -> None:
    remote = open_remote(site.url, ACCESS)
    (entry,) = remote.catalogue()[0].bundles
    assert remote.bundle(entry) == document()
    for blob in CONTENT:
        assert b"".join(remote.read(blob)) == CONTENT[blob]


@pytest.mark.parametrize("behaviour", ["ok", "whole", "503", "reset", "truncate"])
def test_parts_are_read_from_any_server(site: Site, behaviour: str) -> None:
    site.behaviours = [behaviour]
    remote = open_remote(site.url, ACCESS)
    assert b"".join(remote.read(BLOB, 1, 4)) == b"netw"
    asked = [seen.headers.get("range") for seen in site.seen]
    assert asked[0] == "bytes=1-4"


def test_a_server_without_ranges_sends_a_blob_once_for_all_of_its_parts(site: Site) -> None:
    site.behaviours = ["whole"] * 9
    remote = open_remote(site.url, ACCESS)
    assert [b"".join(remote.read(BLOB, first, 2)) for first in (0, 2, 4)] == [b"on", b"et", b"wo"]
    assert [seen.headers.get("range") for seen in site.seen] == ["bytes=0-1", None]


def test_a_server_without_a_catalogue_is_an_empty_remote(site: Site) -> None:
    assert open_remote(site.url + "elsewhere", ACCESS).catalogue()[0] == PublishedCatalogue()


def test_a_missing_blob_is_named(site: Site) -> None:
    site.files.clear()
    with pytest.raises(MissingBlobError, match=BLOB.sha256):
        list(open_remote(site.url, ACCESS).read(BLOB))


def test_a_short_blob_is_an_error(site: Site) -> None:
    name = next(name for name in site.files if BLOB.sha256 in name)
    site.files[name] = b"onet"
    with pytest.raises(IntegrityError, match="fewer bytes"):
        list(open_remote(site.url, ACCESS).read(BLOB))


def test_a_document_that_is_longer_than_the_catalogue_says_is_refused(site: Site) -> None:
    remote = open_remote(site.url, ACCESS)
    (entry,) = remote.catalogue()[0].bundles
    name = next(name for name in site.files if entry.document.sha256 in name)
    site.files[name] += b" "
    with pytest.raises(IntegrityError, match="not the document"):
        remote.bundle(entry)
    site.files[name] += b" " * 2 * entry.document.size
    with pytest.raises(IntegrityError, match="more than"):
        remote.bundle(entry)


def test_credentials_of_the_address_are_sent_to_its_host_alone(site: Site) -> None:
    with serving() as other:
        host = site.url.partition("//")[2]
        site.behaviours = [f"to {other.url}/catalogue.json"]
        other.files["/catalogue.json"] = json.dumps({"published": 1, "bundles": []}).encode()
        open_remote(f"http://me:secret@{host}", ACCESS).catalogue()
        assert [seen.credentials for seen in site.seen] == ["me:secret"]
        assert [seen.credentials for seen in other.seen] == [None]
