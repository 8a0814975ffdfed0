"""Catalogues whose texts are hostile to the people who read the page about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.documents.page.site import INDEX, Place
from bundle.base.errors import IntegrityError
from bundle.run.site import site_of_built
from tests.artifacts.documents.page.made import described, files_of, renamed
from tests.artifacts.documents.page.read import Page, broken_links
from tests.hostile.planted import PLANTED, planted

HONEST = files_of([described("3.12.10"), described("3.12.10", "windows-x64")], Place(published=True))

PAGES = [Page(content) for path, content in HONEST.items() if path.endswith(".html")]

ALLOWED = {name for page in PAGES for _, own in page.elements for name in own} | {"title"}


def shape(page: Page) -> set[tuple[str, ...]]:
    """The kinds of elements that could do something, each with the names of its attributes."""
    return {(tag, *sorted(own)) for tag, own in page.elements if tag in ("script", "link", "meta", "form", "iframe")}


@pytest.mark.parametrize("text", PLANTED, ids=range(len(PLANTED)))
def test_no_text_becomes_an_element_an_attribute_or_a_link(text: str) -> None:
    files = files_of([planted(text), planted(text, "windows-x64")], Place(address=text, published=True))
    assert files.keys() == HONEST.keys()
    for path, content in files.items():
        if path.endswith(".html"):
            page = Page(content)
            assert page.unclosed == []
            assert shape(page) == shape(Page(HONEST[path]))
            assert not [one for one in page.addresses if "planted" in one and not one.startswith("../../")]
            assert not [name for _, own in page.elements for name in own if name not in ALLOWED]
    assert [one for one in broken_links(files) if ": ../../" not in one] == []


@pytest.mark.parametrize("text", PLANTED, ids=range(len(PLANTED)))
def test_data_is_one_text_that_ends_no_script(text: str) -> None:
    for path, content in files_of([planted(text)]).items():
        if path.endswith(".js") and path.startswith("page/3"):
            line = content.decode("ascii")
            assert line.count("\n") == 1
            assert "<" not in line
            name, _, rest = line.removeprefix("bundlePage.take('").partition("', '")
            data = rest.removesuffix("');\n")
            assert name == "3.12.10/linux-x64"
            assert "'" not in data
            value = json.loads(data.replace("\\\\", "\\"))
            assert value["packages"][0]["reason"] == text


@pytest.mark.parametrize("text", PLANTED, ids=range(len(PLANTED)))
def test_signs_that_deceive_are_shown_as_what_they_are(text: str) -> None:
    for path, content in files_of([planted(text)]).items():
        if path != INDEX:
            assert not {"\u202e", "\x1b", "\x00"} & set(content.decode())


def test_a_long_text_is_cut() -> None:
    assert max(map(len, files_of([planted("x" * 10**6)])["index.html"].decode().split())) < 10_000


@pytest.mark.parametrize("name", ["../../evil", "3.12.10/../..", "<script>", "C:evil", "", "3.12.10 "])
def test_a_bundle_cannot_choose_where_its_page_is_written(name: str, tmp_path: Path) -> None:
    for one in (renamed(described(), version=name), renamed(described(), platform=name)):
        with pytest.raises(IntegrityError, match="has a bundle with the name"):
            site_of_built(Catalogue(entries=(one.entry,)).entries, tmp_path)
