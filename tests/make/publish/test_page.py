from __future__ import annotations

import os
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from bundle.artifacts.documents.page.site import bundle_of
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.inspection import inspect_page
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import Token
from bundle.artifacts.trust.client import trusted
from bundle.artifacts.trust.signed import catalogue_of
from bundle.base.report import Reporter
from bundle.make.publish.collect import collect, unpublish
from bundle.make.publish.page import PublishedPage, has_page, publish_page
from tests.artifacts.documents.page.read import Page, broken_links
from tests.artifacts.remotes.made import document, layer, publish
from tests.artifacts.trust.publisher import Publisher
from tests.reporters import Told
from tests.run.install.shipped import Shop

OTHER = document("3.12.10-atls", layers=[layer("cpython", b"one", b"two")])


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    remote = FileRemote(Folder(tmp_path, reporter=Reporter()))
    publish(remote, document(), OTHER)
    return remote


def page(remote: FileRemote) -> PublishedPage | None:
    return publish_page(remote, reporter=Reporter())


def files(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name == "index.html" or name.startswith("page/")}


def named(root: Path) -> list[str]:
    return Page(files(root)["index.html"]).values("data-bundle")


def test_a_page_tells_of_what_the_catalogue_names(remote: FileRemote, tmp_path: Path) -> None:
    assert not has_page(remote)
    assert page(remote) == PublishedPage(bundles=2, written=2)
    assert has_page(remote)
    assert named(tmp_path) == ["3.12.10/linux-x64", "3.12.10-atls/linux-x64"]
    assert list(broken_links(files(tmp_path))) == []
    assert str(tmp_path).encode() not in b"".join(files(tmp_path).values())


def test_only_what_changed_is_written_again(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    assert page(remote) == PublishedPage(bundles=2, written=0)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_mtime] == []

    third = document("3.12.10-third", layers=[layer("cpython", b"one", b"two")])
    publish(remote, third)
    assert page(remote) == PublishedPage(bundles=3, written=1)
    young = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "page").rglob("*") if path.stat().st_mtime}
    assert {bundle_of(path) for path in young} == {None, ("3.12.10-third", "linux-x64")}
    alone = tmp_path / "alone"
    publish(FileRemote(Folder(alone, reporter=Reporter())), document(), OTHER, third)
    page(FileRemote(Folder(alone, reporter=Reporter())))
    assert files(alone) == {name: content for name, content in files(tmp_path).items() if not name.startswith("alone")}


@pytest.mark.parametrize("damage", ["missing", "other", "garbage", "another revision"])
def test_what_is_not_there_as_the_index_says_is_written(remote: FileRemote, tmp_path: Path, damage: str) -> None:
    page(remote)
    before = files(tmp_path)
    index = tmp_path / "page" / "index.json.zst"
    text = zstandard.decompress(index.read_bytes())
    if damage == "missing":
        (tmp_path / "page/3.12.10/linux-x64.js").unlink()
    elif damage == "other":
        index.write_bytes(zstandard.compress(text.replace(b'"mark":"', b'"mark":"x')))
    elif damage == "garbage":
        index.write_bytes(b"\xff")
    else:
        index.write_bytes(zstandard.compress(text.replace(b'"revision":"', b'"revision":"x')))
    done = page(remote)
    assert done is not None
    assert done.written == (1 if damage == "missing" else 2)
    assert files(tmp_path) == before


def test_a_page_does_not_name_a_bundle_that_is_gone(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    unpublish(remote, "3.12.10", [])
    page(remote)
    assert named(tmp_path) == ["3.12.10-atls/linux-x64"]
    assert b"3.12.10/linux-x64" not in files(tmp_path)["page/search.js"]
    done = collect(remote, grace=86400, reporter=Reporter())
    assert (done.removed, done.young) == ((), 4)
    done = collect(remote, grace=0, reporter=Reporter())
    gone = {one.place for one in done.removed if one.kind == "page"}
    assert gone == {"page/3.12.10/linux-x64.html", "page/3.12.10/linux-x64.js"}
    assert list(broken_links(files(tmp_path))) == []


def test_a_bundle_that_comes_back_has_its_page_again(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    before = files(tmp_path)
    unpublish(remote, "3.12.10", [])
    collect(remote, grace=0, reporter=Reporter())
    publish(remote, document())
    assert page(remote) == PublishedPage(bundles=2, written=1)
    assert files(tmp_path) == before


def test_the_start_page_of_others_stays(remote: FileRemote, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    told = Told()
    assert publish_page(remote, reporter=told) is None
    assert "it stays" in told.warnings[0]
    assert files(tmp_path) == {"index.html": b"<h1>Mine</h1>"}


def test_a_bundle_that_cannot_be_read_is_left_out_with_a_warning(remote: FileRemote, tmp_path: Path) -> None:
    next((tmp_path / "bundles" / "3.12.10").rglob("*.json.zst")).write_bytes(b"{}")
    told = Told()
    publish_page(remote, reporter=told)
    assert "the page leaves out 3.12.10 for linux-x64" in told.warnings[0]
    assert named(tmp_path) == ["3.12.10-atls/linux-x64"]


class Overtaken(FileRemote):
    """A remote to which another publisher publishes while the page is written."""

    left = 1

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        found = super().catalogue()
        if self.left and self.page_file("index.html") is not None:
            self.left -= 1
            publish(self, OTHER)
            return super().catalogue()
        return found


def test_of_two_publishers_the_last_one_writes_a_page_of_all_bundles(tmp_path: Path) -> None:
    remote = Overtaken(Folder(tmp_path, reporter=Reporter()))
    publish(remote, document())
    page(remote)
    assert named(tmp_path) == ["3.12.10/linux-x64", "3.12.10-atls/linux-x64"]


def test_licences_and_manifest_come_from_the_layer_of_documents(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "dist")
    entry = shop.build(sbom=True)
    root = shop.publish()
    page(FileRemote(Folder(root, reporter=Reporter())))
    own = Page(files(root)[f"page/{entry.version}/{entry.platform}.html"])
    assert "MIT" in own.text
    assert "so nothing tells" not in own.text
    assert replace(entry).version in own.text


@pytest.fixture
def signed(tmp_path: Path) -> Publisher:
    """A signed folder with a page."""
    publisher = Publisher(str(tmp_path / "remote"), tmp_path / "publisher")
    publish(publisher.remote, document(), OTHER)
    publisher.start()
    written(publisher)
    return publisher


def written(publisher: Publisher) -> PublishedPage | None:
    with catalogue_of(publisher.remote, publisher.url, publisher.access, lambda: publisher.keys) as holder:
        return publish_page(publisher.remote, reporter=Reporter(), catalogue=holder)


def findings(publisher: Publisher) -> list[tuple[str, str]]:
    _, index = trusted(publisher.remote, publisher.pin)
    return [(one.kind, one.what) for one in inspect_page(publisher.remote, index)]


def test_a_signed_page_is_verified(signed: Publisher) -> None:
    assert findings(signed) == []
    before = signed.pin.metadata.joinpath("timestamp.json").read_bytes()
    assert written(signed) == PublishedPage(bundles=2, written=0)
    assert signed.pin.metadata.joinpath("timestamp.json").read_bytes() == before
    signed.publish(lambda catalogue: catalogue.without("3.12.10", ["linux-x64"]))
    assert findings(signed) == []
    written(signed)
    signed.refresh()
    assert findings(signed) == []


@pytest.mark.parametrize("path", ["index.html", "page/page.js", "page/3.12.10/linux-x64.html", "page/index.json.zst"])
def test_a_file_that_is_not_the_signed_one_is_found(signed: Publisher, path: str) -> None:
    file = Path(signed.url) / path
    file.write_bytes(file.read_bytes() + b" ")
    assert findings(signed) == [("changed", path)]
    file.unlink()
    assert findings(signed) == [("missing", path)]


def test_nothing_is_taken_over_from_a_page_that_is_not_the_signed_one(signed: Publisher) -> None:
    own = Path(signed.url) / "page/3.12.10/linux-x64.html"
    own.write_bytes(b"<h1>Mine</h1>")
    index = Path(signed.url) / "page/index.json.zst"
    text = zstandard.decompress(index.read_bytes()).decode()
    (old,) = re.findall(r'"page/3.12.10/linux-x64.html":"([0-9a-f]{64})"', text)
    index.write_bytes(zstandard.compress(text.replace(old, sha256(b"<h1>Mine</h1>").hexdigest()).encode()))
    assert findings(signed) == [("changed", "page/index.json.zst")]
    assert inspect_page(signed.remote, None) == []
    assert written(signed) == PublishedPage(bundles=2, written=2)
    assert b"Mine" not in own.read_bytes()
    assert findings(signed) == []


def test_a_page_that_is_there_when_signing_begins_is_signed(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    publisher = Publisher(str(tmp_path), tmp_path / "publisher")
    publisher.start()
    assert findings(publisher) == []


def test_a_page_beside_a_catalogue_that_is_signed_without_it_is_found(remote: FileRemote, tmp_path: Path) -> None:
    publisher = Publisher(str(tmp_path), tmp_path / "publisher")
    publisher.start()
    page(remote)
    assert findings(publisher) == [("changed", "page/index.json.zst")]


def test_an_index_that_names_other_files_is_malformed(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    index = tmp_path / "page/index.json.zst"
    text = zstandard.decompress(index.read_bytes())
    index.write_bytes(zstandard.compress(text.replace(b"page/page.css", b"../etc/passwd")))
    (found,) = inspect_page(remote, None)
    assert "../etc/passwd" in found.detail


def test_a_repair_writes_everything_again(remote: FileRemote, tmp_path: Path) -> None:
    page(remote)
    before = files(tmp_path)
    (tmp_path / "page/3.12.10/linux-x64.html").write_bytes(b"")
    assert publish_page(remote, reporter=Reporter(), repair=True) == PublishedPage(bundles=2, written=2)
    assert files(tmp_path) == before
