from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.registries.simple_api import RemoteFile, parse_page
from bundle.base.errors import NetworkError

URL = "https://index.example/simple/demo/"
DIGEST = "a" * 64


def html(body: str, url: str = URL) -> tuple[RemoteFile, ...]:
    return parse_page(body.encode(), content_type="text/html; charset=utf-8", url=url)


def test_every_attribute_of_a_link_is_understood() -> None:
    page = f"""<!DOCTYPE html><html><head><title>Links</title></head><body>
    <A HREF='../../files/demo-1.0%2Blocal-py3-none-any.whl#sha256={DIGEST}&amp;egg=x'
       data-requires-python="&gt;=3.8,&lt;4" data-core-metadata="sha256={"b" * 64}"
       data-yanked="it &amp; broke">anything</A>
    </body></html>"""

    assert html(page) == (
        RemoteFile(
            filename="demo-1.0+local-py3-none-any.whl",
            url="https://index.example/files/demo-1.0%2Blocal-py3-none-any.whl",
            sha256=DIGEST,
            requires_python=">=3.8,<4",
            yanked="it & broke",
            has_metadata=True,
            metadata_sha256="b" * 64,
        ),
    )


def test_unescaped_signs_in_quotes_and_missing_quotes_are_forgiven() -> None:
    (file,) = html('<a data-requires-python=">=3.8" href=/files/demo-1.0.tar.gz data-yanked>demo</a>')

    assert (file.requires_python, file.yanked) == (">=3.8", "")
    assert file.url == "https://index.example/files/demo-1.0.tar.gz"


def test_the_older_name_of_the_metadata_attribute_counts() -> None:
    (file,) = html('<a href="demo-1.0-py3-none-any.whl" data-dist-info-metadata="true">demo</a>')

    assert (file.has_metadata, file.metadata_sha256) == (True, None)


def test_links_in_comments_do_not_count_and_a_base_does() -> None:
    files = html(
        '<base href="https://files.example/x/"><!-- <a href="old-1.0.tar.gz">old</a> --><a href="demo-1.0.tar.gz">d</a>'
    )

    assert [file.url for file in files] == ["https://files.example/x/demo-1.0.tar.gz"]


def test_another_kind_of_hash_is_no_sha256() -> None:
    files = html('<a href="demo-1.0.tar.gz#md5=abc">d</a><a href="demo-2.0.tar.gz#sha256=short">d</a>')

    assert [file.sha256 for file in files] == [None, None]


def test_json_pages_tell_sizes_too() -> None:
    page = {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "files": [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../../files/demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": DIGEST.upper()},
                "size": 123,
                "requires-python": ">=3.8",
                "yanked": False,
                "core-metadata": {"sha256": "b" * 64},
            },
            {"filename": "demo-2.0.tar.gz", "url": "https://f.example/demo-2.0.tar.gz", "hashes": {}, "yanked": True},
        ],
    }

    files = parse_page(
        json.dumps(page).encode(), content_type="application/vnd.pypi.simple.v1+json; charset=utf-8", url=URL
    )

    assert files == (
        RemoteFile(
            filename="demo-1.0-py3-none-any.whl",
            url="https://index.example/files/demo-1.0-py3-none-any.whl",
            sha256=DIGEST,
            size=123,
            requires_python=">=3.8",
            has_metadata=True,
            metadata_sha256="b" * 64,
        ),
        RemoteFile(filename="demo-2.0.tar.gz", url="https://f.example/demo-2.0.tar.gz", yanked=""),
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": 3}', b'{"files": [{}]}', b"<html>"])
def test_what_is_no_page_is_a_network_error(content: bytes) -> None:
    with pytest.raises(NetworkError):
        parse_page(content, content_type="application/json", url=URL)


def test_a_later_major_version_of_the_api_is_refused() -> None:
    page = json.dumps({"meta": {"api-version": "2.0"}, "files": []}).encode()

    with pytest.raises(NetworkError, match=r"not 1\.x"):
        parse_page(page, content_type="application/vnd.pypi.simple.v2+json", url=URL)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_without_a_crash(content: bytes) -> None:
    parse_page(b"<a href=" + content, content_type="text/html", url=URL)
