from __future__ import annotations

import hashlib
import io

import pytest

from bundle.base.errors import IntegrityError
from bundle.base.http.retry import TransientError
from bundle.base.http.transfer import Transfer, length, range_start, range_total
from bundle.base.report import Task


def transfer(file: io.BytesIO, *, resumable: bool = True, limit: int | None = None) -> Transfer:
    return Transfer(file, name="a.whl", task=Task(), resumable=resumable, limit=limit)


def test_the_headers_of_ranges_are_read() -> None:
    assert (range_start("bytes 5-9/10"), range_total("bytes 5-9/10")) == (5, 10)
    assert (range_start("bytes */10"), range_total("bytes 5-9/*")) == (None, None)
    assert (range_start(None), range_total("items 1-2/3")) == (None, None)
    assert (length({"Content-Length": "7"}), length({"Content-Length": "-7"}), length({})) == (7, None, None)


def test_what_is_there_is_continued() -> None:
    file = io.BytesIO(b"begin")
    continued = transfer(file)
    assert continued.request_headers()["Range"] == "bytes=5-"
    assert continued.begin(206, {"Content-Range": "bytes 5-8/9", "ETag": '"one"'})
    continued.write(b"-end")
    assert continued.complete
    assert (file.getvalue(), continued.sha256) == (b"begin-end", hashlib.sha256(b"begin-end").hexdigest())


def test_what_cannot_be_verified_is_continued_only_while_the_server_says_that_it_is_the_same() -> None:
    file = io.BytesIO()
    started = transfer(file, resumable=False)
    started.begin(200, {"Content-Length": "9", "ETag": '"one"'})
    started.write(b"begin")
    assert not started.complete
    assert started.request_headers()["If-Range"] == '"one"'
    started.begin(200, {"Content-Length": "9", "ETag": 'W/"weak"'})
    assert (started.position, file.getvalue()) == (0, b"")
    started.write(b"begin")
    assert "Range" not in started.request_headers(), "a weak tag promises no same bytes"


def test_an_answer_that_does_not_fit_is_forgotten_with_what_was_there() -> None:
    file = io.BytesIO(b"begin")
    misfit = transfer(file)
    with pytest.raises(TransientError):
        misfit.begin(206, {"Content-Range": "bytes 4-8/9"})
    assert (misfit.position, file.getvalue()) == (0, b"")


def test_a_part_that_is_everything_needs_no_answer() -> None:
    whole = transfer(io.BytesIO(b"all"))
    assert not whole.begin(416, {"Content-Range": "bytes */3"})
    assert whole.complete


def test_more_than_the_whole_is_refused() -> None:
    full = transfer(io.BytesIO(), limit=3)
    full.begin(200, {})
    with pytest.raises(IntegrityError, match="longer than the 3 bytes"):
        full.write(b"more")
