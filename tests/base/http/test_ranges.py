from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.errors import NetworkError
from bundle.base.http.ranges import Part, SizedReader, open_ranges

URL = "https://index.example/a.whl"


class Server:
    """Answers with ranges of one file."""

    def __init__(self, content: bytes, *, suffixes: bool = True) -> None:
        self.content = content
        self.suffixes = suffixes
        self.asked: list[str] = []

    def get_range(self, wanted: str) -> Part | None:
        self.asked.append(wanted)
        first, _, last = wanted.partition("-")
        if not first and not self.suffixes:
            return None
        start = int(first) if first else max(0, len(self.content) - int(last))
        end = int(last) + 1 if first else len(self.content)
        return Part(content=self.content[start:end], size=len(self.content), etag=None)

    def open(self) -> SizedReader:
        opened = open_ranges(self.get_range, lambda: len(self.content), URL)
        assert opened is not None
        return opened


@given(st.integers(0, 300_000), st.integers(0, 300_000), st.booleans())
def test_any_part_can_be_read(start: int, count: int, suffixes: bool) -> None:
    content = bytes(range(251)) * 1000
    with Server(content, suffixes=suffixes).open() as file:
        file.seek(start)
        assert file.read(count) == content[start : start + count]
        assert file.size == len(content)


def test_the_end_of_a_file_costs_one_request() -> None:
    server = Server(bytes(1_000_000))
    with server.open() as file:
        file.seek(-1000, 2)
        assert len(file.read()) == 1000
    assert len(server.asked) == 1


def test_a_server_without_ranges_opens_nothing() -> None:
    assert open_ranges(lambda _: None, lambda: 7, URL) is None
    assert open_ranges(lambda _: None, lambda: None, URL) is None


def test_a_file_that_changes_while_it_is_read_is_an_error() -> None:
    server = Server(bytes(200_000))
    with server.open() as file:
        server.content = bytes(200_001)
        with pytest.raises(NetworkError, match="changed"):
            file.read(10)
