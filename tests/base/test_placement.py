from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from bundle.base.files import staged_folder
from bundle.base.placement import keep_apart


def attributes(folder: Path) -> int:
    """Return what lsattr(1) tells of a folder."""
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(handle, 0x80086601, struct.pack("l", 0)))
    except OSError:
        pytest.skip("needs a file system with attributes")
    finally:
        os.close(handle)
    return int(flags)


def test_a_folder_that_cannot_take_the_hint_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert [keep_apart(path) for path in (tmp_path / "absent", tmp_path / "file", Path("/proc"))] == [False] * 3


def test_neither_a_large_result_nor_the_folder_around_it_keeps_the_hint(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    before = attributes(tmp_path)
    for _ in range(2):
        with staged_folder(tmp_path / "result", large=True) as staging:
            (staging / "file").write_text("content")
    assert attributes(tmp_path) == before
    assert attributes(tmp_path / "result") == attributes(tmp_path / "plain")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "result"]
    assert (tmp_path / "result" / "file").read_text() == "content"
