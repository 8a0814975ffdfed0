from __future__ import annotations

import base64
import html
import json
import urllib.parse
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.run.jobs.masking import Masker
from tests.examples import examples

SECRET = "s3cr\"et/p\u00e4ss'w\\rd+=&"


def masked(secret: str, content: bytes) -> bytes:
    masker = Masker([secret])
    return masker.feed(content) + masker.end()


@pytest.mark.parametrize(
    "shown",
    [
        SECRET.encode(),
        SECRET.encode("utf-16-le"),
        repr(SECRET).encode(),
        repr(SECRET.encode()).encode(),
        ascii(SECRET).encode(),
        json.dumps(SECRET).encode(),
        json.dumps({"a": SECRET}, ensure_ascii=False).encode(),
        json.dumps(json.dumps(SECRET)).encode(),
        urllib.parse.quote(SECRET).encode(),
        urllib.parse.quote(SECRET, safe="").lower().encode(),
        urllib.parse.urlencode({"a": SECRET}).encode(),
        html.escape(SECRET).encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex(" ").upper().encode(),
        base64.b64encode(SECRET.encode()),
        base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"="),
        base64.b64encode(b"x" + SECRET.encode() + b"yz"),
        base64.b64encode(b"user:" + SECRET.encode()),
        base64.b64encode(b"us" + SECRET.encode() + b"y"),
    ],
)
def test_encoded_forms_are_masked(shown: bytes) -> None:
    left = masked(SECRET, b"before " + shown + b" behind")
    assert left.startswith(b"before ")
    assert left.endswith(b" behind")
    # At the ends of base64 a letter remains, which its neighbours share.
    assert len(left) - len(b"before *** behind") <= 20
    assert shown[8:-8] not in left


def test_lines_of_a_long_secret_are_masked_by_themselves() -> None:
    key = "-----BEGIN KEY-----\n" + "A1b2C3d4E5f6G7h8" * 4 + "\n" + "Zz9Yy8Xx7Ww6Vv5U" * 2 + "\n-----END KEY-----\n"
    left = masked(key, b"\r\n".join(line.encode() for line in key.splitlines()))
    assert b"A1b2" not in left
    assert b"Zz9" not in left


def test_wrapped_base64_is_masked() -> None:
    long = "0123456789abcdefghij" * 10
    left = masked(long, base64.encodebytes(long.encode()))
    assert base64.b64encode(long.encode())[4:30] not in left


def test_nothing_is_held_back_that_cannot_be_secret() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed(b"progress 10%\r") == b"progress 10%\r"
    assert masker.feed(b"the hunt") == b"the "
    assert masker.feed(b"ing") == b"hunting"
    assert masker.feed(b"hunter2") == b"***"
    assert masker.end() == b""


def test_what_is_held_back_is_bounded() -> None:
    masker = Masker(["ab" * 1000])
    out = sum(len(masker.feed(b"ab" * 500)) for _ in range(100))
    assert 100_000 - out < 20_000 or out < 2000


@pytest.mark.parametrize("secret", ["", "\n"])
def test_an_empty_secret_masks_nothing(secret: str) -> None:
    assert masked(secret, b"text").startswith(b"text")


def test_values_are_masked_wherever_they_stand() -> None:
    value = {"a": ["my hunter2"], "hunter2": 1, "c": None, "d": True, "n": 12345678}
    expected = {"a": ["my ***"], "***": 1, "c": None, "d": True, "n": "***"}
    assert Masker(["hunter2", "12345678"]).value(value) == expected


@given(
    secrets=st.lists(st.text("abA=", min_size=1, max_size=6), max_size=3),
    content=st.text("abA=YWJ ", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
@examples(500)
def test_the_result_does_not_depend_on_the_chunks(secrets: list[str], content: str, cuts: list[int]) -> None:
    whole = content.encode()
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    masker, at_once = Masker(secrets), Masker(secrets)
    parts = [masker.feed(whole[begin:end]) for begin, end in pairwise(places)]
    assert b"".join(parts) + masker.end() == at_once.feed(whole) + at_once.end()


@given(secret=st.text(min_size=4, max_size=30), before=st.binary(max_size=9), cut=st.integers(1, 40))
@examples(300)
def test_a_secret_in_base64_is_masked_in_every_alignment(secret: str, before: bytes, cut: int) -> None:
    content = secret.encode("utf-8", "surrogatepass")
    shown = base64.b64encode(before + content + b"tail")
    masker = Masker([secret])
    left = masker.feed(shown[:cut]) + masker.feed(shown[cut:]) + masker.end()
    ahead = len(before)
    core = shown[(ahead * 8 + 5) // 6 : (ahead + len(content)) * 8 // 6]
    assert core not in left
