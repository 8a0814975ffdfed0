from __future__ import annotations

import io
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bundle.base import zstd
from bundle.base.zstd import FrameReader

SKIPPABLE = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"


def frame(content: bytes, *, sized: bool = True, checksum: bool = True) -> bytes:
    compressor = zstandard.ZstdCompressor(write_content_size=sized, write_checksum=checksum)
    writer = compressor.compressobj(size=len(content)) if sized else compressor.compressobj()
    return writer.compress(content) + writer.flush()


def read(data: bytes, threads: int = 2) -> bytes:
    reader = FrameReader(io.BytesIO(data), threads=threads)
    parts = []
    while part := reader.read(2**20):
        parts.append(part)
    return b"".join(parts)


CONTENTS = st.binary(max_size=300) | st.integers(1, 400_000).map(lambda size: b"0123456789abcdef" * (size // 16))


@given(frames=st.lists(st.tuples(CONTENTS, st.booleans(), st.booleans()), max_size=8), threads=st.integers(0, 4))
def test_all_frames_are_read_as_one_stream(frames: list[tuple[bytes, bool, bool]], threads: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zstd, "_AHEAD", 100_000)
        data = b"".join(frame(content, sized=sized, checksum=checksum) for content, sized, checksum in frames)

        assert read(data + SKIPPABLE, threads) == b"".join(content for content, _, _ in frames)


@pytest.mark.parametrize("content", [b"x" * 1000, bytes(300_000)])
@pytest.mark.parametrize("sized", [True, False])
def test_a_changed_byte_is_an_error(content: bytes, sized: bool) -> None:
    data = bytearray(frame(b"first") + frame(content, sized=sized))
    data[-1] ^= 1

    with pytest.raises(zstandard.ZstdError):
        read(bytes(data))


def test_what_follows_a_frame_and_is_none_is_an_error() -> None:
    with pytest.raises(zstandard.ZstdError):
        read(frame(b"first") + b"no frame at all, but long enough for one")


@given(data=st.binary(max_size=200))
def test_any_bytes_behind_a_frame_are_read_or_refused(data: bytes) -> None:
    with suppress(zstandard.ZstdError):
        assert read(frame(b"first") + data).startswith(b"first")
