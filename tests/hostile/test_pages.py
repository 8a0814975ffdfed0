"""Pages of registries that are hostile or broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bundle.artifacts.registries.registries import Registries
from bundle.artifacts.registries.simple_api import RemoteFile, parse_page
from bundle.base.errors import NetworkError
from bundle.base.http.client import Answer, Conditional
from bundle.model.config.config import Registries as Configured
from bundle.model.config.config import Registry

URL = "https://index.example/simple/demo/"
GOOD = '<a href="demo-1.0.tar.gz">demo</a>'
SIZE = 2**18


def html(body: str) -> tuple[RemoteFile, ...]:
    return parse_page(body.encode(), content_type="text/html", url=URL)


def from_json(content: str) -> tuple[RemoteFile, ...]:
    return parse_page(content.encode(), content_type="application/vnd.pypi.simple.v1+json", url=URL)


def names(files: tuple[RemoteFile, ...]) -> list[str]:
    return [file.filename for file in files]


def work(body: str) -> int:
    """The steps of Python that the parser takes for a page."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        html(body)
    finally:
        sys.setprofile(before)
    return steps


HEAVY = {
    "open anchors": "<a ",
    "open anchors with a quote": '<a href="',
    "open anchors with an apostrophe": "<a href='x",
    "open anchors with both": "<a x='<a y=\"",
    "comments without end": "<!--",
    "half ends of comments": "<!-- -- >",
    "equals signs": "<a =",
    "many names": "<a x x x",
    "slashes": "<a ///////",
    "white space before equals signs": "<a x" + " " * 500,
    "ampersands": '<a href="&&&&&&">',
    "left angles": "<<<<<",
    "bases": "<base href=x/>",
}


@pytest.mark.parametrize("unit", HEAVY.values(), ids=HEAVY)
def test_no_page_takes_more_than_one_pass(unit: str) -> None:
    html(unit * (SIZE // len(unit)))
    small, large = (work(unit * (size // len(unit))) for size in (SIZE // 16, SIZE // 8))
    assert large <= 2.5 * small + 100


@pytest.mark.parametrize(
    "junk",
    [
        "<a>",
        "<a href>",
        "<a href=''>",
        '<a href="http://[/x-1.tar.gz">x</a>',
        f'<a href="&#{"9" * 5000};.whl">x</a>',
        '<a href="https://[x/x-1.tar.gz">x</a>',
        "<a ==== x==>x</a>",
        "<base>",
        "<abbr href='no-1.tar.gz'>x</abbr>",
        "<!-->",
        "<!-- <a href='no-1.tar.gz'> -->",
        "</a></a>",
    ],
)
def test_junk_on_a_page_hides_no_file(junk: str) -> None:
    assert names(html(f"{junk}{GOOD}")) == ["demo-1.0.tar.gz"]


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fdemo-1.0.tar.gz",
        "a%2Fdemo-1.0.tar.gz",
        "%2Fetc%2Fdemo-1.0.tar.gz",
        "..%5Cdemo-1.0.tar.gz",
        "a\\demo-1.0.tar.gz",
        "%2e%2e",
        ".demo-1.0.tar.gz",
        "demo-1.0%00.tar.gz",
        "demo-1.0%1b[31m.tar.gz",
        "demo-1.0%0a.tar.gz",
        "demo-1.0%7f.tar.gz",
        "C%3Ademo-1.0.tar.gz",
        "demo-1.0.tar.gz%3Astream",
        "nul.tar.gz",
        f"demo-{'1' * 300}.tar.gz",
    ],
)
def test_a_file_whose_name_is_unsafe_is_left_out(name: str) -> None:
    assert names(html(f'<a href="{name}">x</a>{GOOD}')) == ["demo-1.0.tar.gz"]


@pytest.mark.parametrize("name", ["../demo.whl", "a/demo.whl", "a\\b.whl", "..", "", ".x", "a\0", "\ud800", "x" * 300])
def test_a_name_in_json_is_checked_as_well(name: str) -> None:
    files = [{"filename": name, "url": "x"}, {"filename": "demo-1.0.tar.gz", "url": "y"}]
    assert names(from_json(json.dumps({"files": files}))) == ["demo-1.0.tar.gz"]


def entry(**changed: object) -> str:
    file = {"filename": "demo-1.0.tar.gz", "url": "demo-1.0.tar.gz", "hashes": {}} | changed
    return json.dumps({"files": [file]})


BAD = {
    "deep lists": "[" * 100_000,
    "deep objects": '{"files":' * 100_000,
    "deep files": '{"files": [' + "[" * 50_000,
    "a number of 5,000 digits": '{"files": [{"size": ' + "9" * 5000 + "}]}",
    "a version of 5,000 digits": '{"meta": {"api-version": ' + "1" * 5000 + '}, "files": []}',
    "files as a number": '{"files": 7}',
    "files as null": '{"files": null}',
    "files as texts": '{"files": ["demo"]}',
    "meta as null": '{"meta": null, "files": []}',
    "meta as a list": '{"meta": [], "files": []}',
    "a name as a number": entry(filename=1),
    "a name as null": entry(filename=None),
    "an address as a number": entry(url=1),
    "an address as a list": entry(url=["x"]),
    "an address that is none": entry(url="http://[x"),
    "hashes as a list": entry(hashes=["sha256"]),
    "hashes as null": entry(hashes=None),
    "a reason as a number": entry(yanked=3),
    "a reason as a list": entry(yanked=["x"]),
    "a Python as a number": entry(**{"requires-python": 3}),
    "a Python as an object": entry(**{"requires-python": {}}),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_json_of_another_kind_is_an_error_of_the_registry(content: str) -> None:
    with pytest.raises(NetworkError, match="PEP 691"):
        from_json(content)


@pytest.mark.parametrize("size", [-1, 1.5, True, "7", 10**400, None, [1]])
def test_a_size_that_is_none_is_no_size(size: object) -> None:
    assert from_json(entry(size=size))[0].size is None


class Pages:
    """One page in memory."""

    def __init__(self, page: str) -> None:
        self.page = page

    def get(self, url: str, *, accept: str | None = None, cached: Conditional | None = None) -> Answer:
        return Answer(url=url, status=200, headers={"content-type": "text/html"}, content=self.page.encode())


def registries(page: str, folder: Path, default: str, *additional: str) -> Registries:
    config = Configured(default=default, additional=tuple(Registry(url=url, packages=["tied"]) for url in additional))
    return Registries(config, get=Pages(page).get, folder=folder, environ={})


UNSAFE = [
    ("https://index.example/simple", "http://index.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://other.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "HTTP://127.0.0.1.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://localhost@evil.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "file:///etc/demo-2.0.tar.gz"),
    ("https://index.example/simple", "FILE://localhost/etc/demo-2.0.tar.gz"),
    ("http://index.example/simple", "file:///etc/demo-2.0.tar.gz"),
    ("https://index.example/simple", "ftp://index.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "javascript:/demo-2.0.tar.gz"),
]

SAFE = [
    ("https://index.example/simple", "https://cdn.example/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://127.0.0.1:8080/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://[::1]:8080/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://localhost/demo-2.0.tar.gz"),
    ("https://index.example/simple", "http://plain.example/demo-2.0.tar.gz"),
    ("http://index.example/simple", "http://index.example/demo-2.0.tar.gz"),
    ("http://index.example/simple", "https://index.example/demo-2.0.tar.gz"),
]


@pytest.mark.parametrize(("registry", "link"), UNSAFE)
def test_a_link_that_leaves_https_or_the_web_is_left_out(registry: str, link: str, tmp_path: Path) -> None:
    page = registries(f'<a href="{link}">x</a>{GOOD}', tmp_path, registry).page("demo")

    assert page is not None
    assert names(page.files) == ["demo-1.0.tar.gz"]


@pytest.mark.parametrize(("registry", "link"), UNSAFE)
def test_a_page_of_nothing_but_such_links_is_an_error(registry: str, link: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="not safe to use"):
        registries(f'<base href="{link}"><a href="{link}">x</a>', tmp_path, registry).page("demo")


@pytest.mark.parametrize(("registry", "link"), SAFE)
def test_plain_http_of_this_machine_and_of_the_configuration_is_allowed(
    registry: str, link: str, tmp_path: Path
) -> None:
    page = registries(f'<a href="{link}">x</a>', tmp_path, registry, "http://plain.example/simple").page("demo")

    assert page is not None
    assert [file.url for file in page.files] == [link]


@pytest.mark.parametrize(
    "secret",
    ["?token=S3CR3T", "?a=b&X-Amz-Signature=S3CR3T", "?auth=S3CR3T"],
)
def test_the_cache_keeps_no_address_with_a_secret(secret: str, tmp_path: Path) -> None:
    there = registries("", tmp_path, "https://index.example/simple")
    file = RemoteFile("demo-1.0.tar.gz", f"https://cdn.example/demo-1.0.tar.gz{secret}", sha256="a" * 64, size=7)

    there.remember(file)

    assert (there.remembered("a" * 64), there.remembered_size("a" * 64)) == (None, 7)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"S3CR3T" in path.read_bytes()]


def test_a_cached_page_of_an_address_with_a_token_serves_offline(tmp_path: Path) -> None:
    url = "https://index.example/t/S3CR3T/simple"
    before = registries(GOOD, tmp_path, url).page("demo")

    offline = Registries(Configured(default=url), get=Pages("").get, folder=tmp_path, environ={}, offline=True)

    assert offline.page("demo") == before
    assert before is not None
    assert before.files[0].url == f"{url}/demo/demo-1.0.tar.gz"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"S3CR3T" in path.read_bytes()]
