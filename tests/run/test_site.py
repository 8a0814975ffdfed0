from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.documents.page.folder import write_site
from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.base.report import Reporter
from bundle.make.publish.page import publish_page
from bundle.run.install.sources import open_source
from bundle.run.site import site_of_built, site_of_source
from tests.artifacts.documents.page.read import Page, broken_links
from tests.artifacts.remotes.stores import address
from tests.run.install.shipped import LINUX, VERSION, Shop

PAGE = f"page/{VERSION}/{LINUX.key}.html"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "dist")
    shop.build(sbom=True)
    shop.build(version="3.12.10-other", sbom=True)
    return shop


def access() -> Access:
    return Access(environ=os.environ, reporter=Reporter())


def site_at(url: str) -> dict[str, bytes]:
    return site_of_source(open_source(url, access()))


def told(files: dict[str, bytes], path: str = PAGE) -> str:
    """The text of a page without what depends on its place."""
    return Page(files[path]).text.rpartition("Sizes by layer")[2]


def test_folders_archives_and_remotes_tell_the_same(shop: Shop) -> None:
    entries = shop.catalogue.entries
    files = site_of_built(entries, shop.folder)
    assert list(broken_links(files)) == []
    assert "MIT" in told(files)
    assert "packed" in Page(files[PAGE]).text
    (shop.folder / VERSION / LINUX.key / "bundle.json").write_text("{}")
    assert site_of_built(entries, shop.folder) == files
    built = site_at(str(shop.folder))
    published = site_at(str(shop.publish()))
    assert told(published) == told(built) == told(files)
    for path in ("page/shared.html", "page/difference.html", "index.html"):
        assert published[path] == built[path] == files[path]


def test_what_is_gone_is_not_told(shop: Shop) -> None:
    entries = shop.catalogue.entries
    shop.archive().unlink()
    (shop.folder / VERSION / LINUX.key / "bundle.json").unlink()
    page = Page(site_of_built(entries, shop.folder)[PAGE])
    assert "so nothing tells" in page.text
    assert "packed" not in page.text


@pytest.fixture(params=["s3", "oci"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new remote."""
    with address(request.param, tmp_path) as url:
        yield url


@pytest.mark.real
def test_stores_and_registries_tell_the_same(shop: Shop, url: str, tmp_path: Path) -> None:
    folder = shop.publish()
    shop.publish(url)
    files = site_at(url)
    assert told(files) == told(site_at(str(folder)))
    assert f"--from {url}" in Page(files[PAGE]).text
    write_site(tmp_path / "site", files)
    remote = open_writable(url, access())
    done = publish_page(remote, reporter=Reporter())
    if url.startswith("oci:"):
        assert done is None
        return
    assert done is not None
    assert (done.bundles, done.written) == (2, 2)
    again = publish_page(remote, reporter=Reporter())
    assert again is not None
    assert again.written == 0
    assert types(url) == {
        "index.html": "text/html; charset=utf-8",
        "page/page.css": "text/css; charset=utf-8",
        "page/page.js": "text/javascript; charset=utf-8",
        PAGE: "text/html; charset=utf-8",
    }


def types(url: str) -> dict[str, str]:
    """The media types of some files of a page in a store."""
    import fsspec

    client = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    place = url.removeprefix("s3://")
    names = ("index.html", "page/page.css", "page/page.js", PAGE)
    return {name: client.info(f"{place}/{name}")["ContentType"] for name in names}
