"""Servers that are hostile: without end, too slow, or with answers that deceive."""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from bundle.base.errors import BundleError, IntegrityError, NetworkError
from bundle.base.http import body
from bundle.base.http.client import Downloader
from bundle.base.http.ranges import Part, open_ranges
from bundle.base.http.responses import raise_for
from bundle.base.http.retry import TransientError
from bundle.base.http.session import Session
from bundle.base.http.transfer import length, range_total
from bundle.base.report import Reporter
from tests.base.server import QuietHandler, running

LIMIT = 10**6
REAL = pytest.mark.real


@pytest.mark.parametrize(
    "text",
    ["9" * 400, "9" * 5000, "²", "٣", "-5", "inf", "nan", "1e400", "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 99", "\0"],
)
def test_a_pause_that_a_server_asks_for_is_a_number(text: str) -> None:
    with pytest.raises(TransientError) as caught:
        raise_for("https://a.example/x", 503, "", {"Retry-After": text})
    assert caught.value.wait >= 0


@pytest.mark.parametrize("reason", ["\x1b[31mred", "a\rb", "\x9b31m", "\u202egpj", "\x00\x07", "x" * 10**5])
@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_reason_does_not_control_the_terminal(reason: str, status: int) -> None:
    with pytest.raises(NetworkError) as caught:
        raise_for(f"https://a.example/{reason[:9]}", status, reason, {})
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 500


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "a\rb", "\x08\x08", "\u2066", "\ud800"])
def test_no_error_controls_the_terminal(text: str) -> None:
    shown = BundleError(text, cause=text, remedy=text, details=[text]).as_text()
    assert shown.replace("\n", "").isprintable()
    shown.encode()


@pytest.mark.parametrize("digits", ["9" * 16, "9" * 5000, "²", "-1", "+1", " 1", "1_0", "٣"])
def test_a_size_of_a_header_is_a_number_of_few_digits(digits: str) -> None:
    assert length({"Content-Length": digits}) is None
    assert range_total(f"bytes 0-1/{digits}") is None


@pytest.mark.parametrize("size", [2**40, 10**15 - 1])
def test_a_remote_file_that_claims_a_huge_size_takes_no_memory(size: int) -> None:
    opened = open_ranges(
        lambda _: Part(content=b"x" * 2**16, size=size, etag=None), lambda: size, "https://a.example/x"
    )
    assert opened is not None
    with pytest.raises((OSError, MemoryError)):
        opened.read(2**28)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://a.example/x", "not HTTPS"),
        ("http://evil.example/x", "not HTTPS"),
        ("file:///etc/passwd", "not HTTPS"),
        ("ftp://a.example/x", "not HTTPS"),
        ("http://[x", "no URL"),
        ("//[", "no URL"),
    ],
)
def test_a_redirection_from_https_to_less_is_refused(location: str, message: str) -> None:
    with pytest.raises(requests.RequestException, match=message):
        redirected(location)


@pytest.mark.parametrize("location", ["https://b.example/x", "/y", "http://127.0.0.1:80/x", "http://plain.example/x"])
def test_other_redirections_are_followed(location: str) -> None:
    assert redirected(location) == location


def redirected(location: str) -> str | None:
    response = requests.Response()
    response.status_code = 302
    response.url = "https://a.example/x"
    response.headers["Location"] = location
    response.raw = io.BytesIO()
    with Session({}, connections=1, configured=lambda url: "plain.example" in url, deadline=lambda: 60.0) as session:
        return session.get_redirect_target(response)


@pytest.mark.parametrize(
    "new", ["http://a.example/", "https://a.example:444/", "https://b.example/", "https://a.example.b.example/"]
)
def test_credentials_follow_no_redirection_to_another_origin(new: str) -> None:
    with Session({}, connections=1, configured=lambda _: True, deadline=lambda: 60.0) as session:
        assert session.should_strip_auth("https://a.example/x", new)
        assert session.should_strip_auth(new, "https://a.example/x")
        assert not session.should_strip_auth("https://a.example/x", "https://a.example/y")


class Handler(QuietHandler):
    """Answers in the way that the path names."""

    def answer(self) -> None:
        try:
            getattr(self, self.path[1:].partition("?")[0].replace("-", "_"))()
        except OSError:
            self.close_connection = True

    def head(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.close_connection = True

    def pour(self, piece: bytes, pause: float = 0.0) -> None:
        for _ in range(400):
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(pause)

    def endless(self) -> None:
        self.head(200)
        self.pour(b"x" * 2**16)

    def endless_chunks(self) -> None:
        self.head(200, Transfer_Encoding="chunked")
        self.pour(b"10000\r\n" + b"x" * 2**16 + b"\r\n")

    def endless_range(self) -> None:
        self.head(206, Content_Range="bytes 0-65535/65536")
        self.pour(b"x" * 2**16)

    def endless_redirection(self) -> None:
        self.head(302, Location="/small")
        self.pour(b"x" * 2**16, 0.01)

    def bomb(self) -> None:
        self.send_gzip(gzip.compress(bytes(50 * LIMIT)))

    def empty_blocks(self) -> None:
        packer = zlib.compressobj(wbits=31)
        start = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
        self.head(200, Content_Encoding="gzip")
        self.wfile.write(start)
        self.pour(b"\x00\x00\x00\xff\xff" * 10**4)

    def double_bomb(self) -> None:
        self.head(200, Content_Encoding="gzip, gzip")
        self.wfile.write(gzip.compress(gzip.compress(bytes(50 * LIMIT))))

    def broken_gzip(self) -> None:
        self.send_gzip(b"this is no gzip")

    def half_gzip(self) -> None:
        self.send_gzip(gzip.compress(bytes(range(256)) * 50)[:-20])

    def honest_gzip(self) -> None:
        self.send_gzip(gzip.compress(b"small"))

    def send_gzip(self, content: bytes) -> None:
        self.head(200, Content_Encoding="gzip", Content_Length=str(len(content)))
        self.wfile.write(content)

    def drip(self) -> None:
        self.head(200, Content_Length="1000000")
        self.pour(b"x", 0.02)

    def drip_chunks(self) -> None:
        self.head(200, Transfer_Encoding="chunked")
        self.pour(b"1\r\nx\r\n", 0.02)

    def drip_status(self) -> None:
        self.pour(b"H", 0.02)

    def drip_name(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.pour(b"x", 0.02)

    def drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.pour(b"A: b\r\n", 0.1)

    def drip_continue(self) -> None:
        self.pour(b"HTTP/1.1 100 Continue\r\n\r\n", 0.02)

    def drip_redirection(self) -> None:
        self.head(302, Location="/drip-headers", Content_Length="0")

    def small(self) -> None:
        self.head(200, Content_Length="5")
        self.wfile.write(b"small")

    def reason(self) -> None:
        self.wfile.write(b"HTTP/1.1 404 \x1b[31mRed\x07\x9b2J\r\nContent-Length: 0\r\n\r\n")
        self.close_connection = True

    def to_file(self) -> None:
        self.head(302, Location="file:///etc/passwd", Content_Length="0")

    def to_nowhere(self) -> None:
        self.head(302, Location="http://[x", Content_Length="0")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr("bundle.base.http.client.LARGEST_DOCUMENT", LIMIT)
    monkeypatch.setattr("bundle.base.http.transfer._LARGEST", LIMIT)
    with running(Handler) as url:
        yield url


def downloader(deadline: float = 60.0) -> Downloader:
    made = Downloader(reporter=Reporter(), environ={}, timeout=5.0, retries=1, backoff=0.01)
    made.deadline = deadline
    return made


@REAL
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("endless", "longer than"),
        ("endless-chunks", "longer than"),
        ("bomb", "longer than"),
        ("empty-blocks", "longer than"),
        ("double-bomb", "did not ask for"),
        ("broken-gzip", "not the gzip data"),
        ("half-gzip", "broke off"),
        ("to-file", "not HTTPS"),
        ("to-nowhere", "no URL"),
    ],
)
def test_a_page_is_bounded(server: str, path: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        downloader().get(f"{server}/{path}")


@REAL
@pytest.mark.parametrize("path", ["small", "honest-gzip", "endless-redirection"])
def test_an_honest_page_arrives(server: str, path: str) -> None:
    assert downloader().get(f"{server}/{path}").content == b"small"


def into_file(made: Downloader, url: str, folder: Path) -> object:
    return made.fetch(url, folder / "file", sha256=None)


def as_page(made: Downloader, url: str, folder: Path) -> object:
    return made.get(url)


@REAL
@pytest.mark.parametrize(
    "path",
    [
        *("drip", "drip-chunks", "drip-status", "drip-name", "drip-headers", "drip-continue"),
        "drip-redirection",
    ],
)
@pytest.mark.parametrize("ask", [into_file, as_page])
def test_a_slow_drip_ends_at_the_deadline(
    server: str, path: str, ask: Callable[[Downloader, str, Path], object], tmp_path: Path
) -> None:
    with pytest.raises(NetworkError, match=r"too slow.*build\.timeout"):
        ask(downloader(deadline=0.1), f"{server}/{path}", tmp_path)


@REAL
@pytest.mark.parametrize("path", ["endless", "endless-chunks"])
@pytest.mark.parametrize("size", [None, 1000], ids=["no size", "size"])
def test_a_file_is_bounded(server: str, path: str, size: int | None, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=f"longer than the {size or LIMIT} bytes"):
        downloader().fetch(f"{server}/{path}", tmp_path / "file", sha256=None, size=size)
    assert not (tmp_path / "file").exists()


@REAL
def test_a_range_is_bounded(server: str) -> None:
    with pytest.raises(NetworkError, match="longer than"):
        downloader().open(f"{server}/endless-range")


@REAL
def test_a_reason_of_a_server_is_shown_without_control_characters(server: str) -> None:
    with pytest.raises(NetworkError) as caught:
        downloader().get(f"{server}/reason")
    assert caught.value.what.isprintable()
    assert "Red" in caught.value.what


def test_the_bound_of_a_page_is_the_documented_one() -> None:
    assert body.LARGEST_DOCUMENT == 100 * 10**6
