from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from bundle.artifacts.store.compression import FORMATS, Compression
from bundle.base.errors import ConfigError

EFFORTS = ("fast", "default", "small")
TEXT = b"".join(path.read_bytes() for path in sorted(Path(zstandard.__file__).parent.rglob("*.py")))


@pytest.mark.parametrize("format_", FORMATS)
def test_more_effort_makes_smaller_frames(format_: str) -> None:
    sizes = [len(Compression(format=format_, effort=effort).compress(TEXT)) for effort in EFFORTS]

    assert sizes == sorted(set(sizes), reverse=True)


def test_frames_are_whole_streams_of_their_format() -> None:
    assert gzip.decompress(Compression(format="tar.gz").compress(TEXT)) == TEXT
    assert zstandard.decompress(Compression(format="tar.zst").compress(TEXT)) == TEXT


def test_a_gzip_frame_tells_neither_time_nor_system() -> None:
    assert Compression(format="tar.gz").compress(TEXT)[:10] == b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"


def test_an_unknown_format_or_effort_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tar\.xz"):
        Compression(format="tar.xz")
    with pytest.raises(ConfigError, match="tiny"):
        Compression(format="tar.zst", effort="tiny")
