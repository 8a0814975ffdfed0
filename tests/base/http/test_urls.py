from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.http.urls import local_path, redact, split_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://index.example/simple", "https://index.example/simple"),
        ("https://user:pa55@index.example:8080/simple", "https://index.example:8080/simple"),
        ("https://token@index.example/", "https://index.example/"),
        ("https://user:p@55@index.example/", "https://index.example/"),
        ("git+https://user:pa55@git.example/a.git@v1", "git+https://git.example/a.git@v1"),
        ("x @ git+https://me:pa55@git.example/x@v1 ; extra == 'y'", "x @ git+https://git.example/x@v1 ; extra == 'y'"),
        ("numpy==2.2.6", "numpy==2.2.6"),
        (
            "https://a.example/f?X-Amz-Signature=abc&size=3#sha256=12",
            "https://a.example/f?X-Amz-Signature=***&size=3#sha256=12",
        ),
        ("https://a.example/f?access_token=abc;Key=d", "https://a.example/f?access_token=***;Key=***"),
        ("two: https://a:b@c.example and https://d:e@f.example", "two: https://c.example and https://f.example"),
        ("https://a.example/mail@host", "https://a.example/mail@host"),
        ("file:///a/b", "file:///a/b"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(
    st.text(st.characters(exclude_characters="/?#", exclude_categories=["Z", "C"]), min_size=1).map("S3CR3T".__add__)
)
def test_no_password_is_ever_shown(password: str) -> None:
    assert "S3CR3T" not in redact(f"https://user:{password}@index.example/simple")


def test_credentials_stand_in_the_url_or_in_the_environment_of_the_host() -> None:
    environ = {"BUNDLE_INDEX_MY_INDEX_EXAMPLE_USERNAME": "u", "BUNDLE_INDEX_MY_INDEX_EXAMPLE_PASSWORD": "p"}
    assert split_credentials("https://a%40b:c%3A@h.example/x?y#z", environ) == (
        "https://h.example/x?y#z",
        ("a@b", "c:"),
    )
    assert split_credentials("https://my-index.example:80/x", environ) == (
        "https://my-index.example:80/x",
        ("u", "p"),
    )
    assert split_credentials("https://other.example/x", environ) == ("https://other.example/x", None)
    token = {"BUNDLE_INDEX_H_EXAMPLE_PASSWORD": "t"}
    assert split_credentials("https://h.example/", token) == ("https://h.example/", ("__token__", "t"))


def test_a_file_url_means_a_file() -> None:
    assert local_path("https://a.example/x") is None
    if os.name != "nt":
        assert local_path("file:///a/b%20c") == Path("/a/b c")
