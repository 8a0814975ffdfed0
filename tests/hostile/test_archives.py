from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.artifacts.wheel.source import open_wheel
from bundle.base import extract as extraction
from bundle.base.errors import IntegrityError
from bundle.base.extract import extract, read_selected
from bundle.base.folders import remove_tree
from bundle.make.sources.compatibility import native_platforms
from bundle.make.sources.sdist import static_metadata

END = bytes(1024)
"""The end marker of a tar file."""

SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n29 GNU.sparse.realsize=100000\n"


def header(name: str = "file", kind: bytes = b"0", size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def entry(content: bytes, kind: bytes = b"0", name: str = "file") -> bytes:
    return header(name, kind, len(content)) + content + bytes(-len(content) % 512)


TARS = {
    "a PAX record of 2 GB": header(kind=b"x", size=2**31) + bytes(4096),
    "global PAX records of 2 GB": header(kind=b"g", size=2**31) + bytes(4096),
    "a long name of 2 GB": header(kind=b"L", size=2**31) + bytes(4096),
    "a long link of 2 GB": header(kind=b"K", size=2**31) + bytes(4096),
    "a PAX record of a negative size": header(kind=b"x", size=-512) + header() + END,
    "PAX records in PAX records": entry(b"12 path=abc\n", b"x") * 5000 + header() + END,
    "global PAX records in each other": entry(b"12 path=abc\n", b"g") * 5000 + header() + END,
    "long names for long names": entry(b"abc\0", b"L") * 5000 + header() + END,
    "a PAX record of digits": entry(b"1" * 900_000, b"x") + header() + END,
    "a PAX record that is longer than it is": entry(b"99999 path=abc\n", b"x") + header(size=10),
    "a sparse file that ends early": entry(SPARSE, b"x") + entry(b"1\n0\n9999\n") + END,
    "a sparse file whose map is no number": entry(SPARSE, b"x") + entry(b"x\n0\n9999\n") + END,
    "a sparse file whose map has no end": entry(SPARSE, b"x") + entry(b"1" * 600) + END,
    "a file that ends early": header(size=2**40) + bytes(512),
    "a folder of 5,000 folders": entry(b"d/" * 5000 + b"f\0", b"L") + header() + END,
    "folders up to the longest header": entry(b"d/" * 400_000 + b"f\0", b"L") + header() + END,
    "101 folders": entry(b"d/" * 101 + b"f\0", b"L") + header() + END,
    "a name of 300 letters": entry(b"n" * 300 + b"\0", b"L") + header() + END,
    "a path of 2,200 letters": entry((b"n" * 200 + b"/") * 11 + b"f\0", b"L") + header() + END,
    "a link through 5,000 folders": entry(b"d/" * 5000 + b"f\0", b"K") + header(kind=b"2") + END,
}


@pytest.mark.parametrize("content", TARS.values(), ids=TARS.keys())
def test_a_tar_that_would_exhaust_something_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hostile.tar").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"hostile\.tar"):
        extract(tmp_path / "hostile.tar", tmp_path / "out")
    remove_tree(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [name for name in TARS if "PAX" in name or ("long" in name and "header" not in name)])
def test_an_sdist_is_not_read_for_its_metadata_either(tmp_path: Path, name: str) -> None:
    sdist = tmp_path / "demo-1.0.tar.gz"
    sdist.write_bytes(gzip.compress(TARS[name]))
    with pytest.raises(IntegrityError, match=sdist.name):
        static_metadata(sdist)


def zip_of(*names: str, content: bytes = b"x" * 1000) -> bytearray:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as pack:
        for name in names:
            pack.writestr(zipfile.ZipInfo(name), content)
    return bytearray(packed.getvalue())


def changed(content: bytearray, offset: int, value: int, *, which: int = 1) -> bytes:
    """Change four bytes of a row in the table of a zip file's entries."""
    start = 0
    for _ in range(which):
        start = content.index(b"PK\1\2", start + 1)
    content[start + offset : start + offset + 4] = value.to_bytes(4, "little")
    return bytes(content)


ZIPS = {
    "one entry's bytes for two": changed(zip_of("a", "b"), 42, 0, which=2),
    "an entry inside another": changed(zip_of("a", "b"), 42, 500, which=2),
    "a compressed size that reaches into the next": changed(zip_of("a", "b"), 20, 1020),
    "a compressed size that reaches into the table": changed(zip_of("a"), 20, 1060),
    "a compressed size of 4 GB": changed(zip_of("a"), 20, 2**32 - 2),
    "a size that is too small": changed(zip_of("a"), 24, 999),
    "a size that is too large": changed(zip_of("a"), 24, 1001),
    "a position behind the end": changed(zip_of("a"), 42, 2**31),
    "a folder of 1,000 folders": bytes(zip_of("d/" * 999 + "f")),
    "101 folders": bytes(zip_of("d/" * 101 + "f")),
    "a name of 300 letters": bytes(zip_of("n" * 300)),
    "a path of 2,200 letters": bytes(zip_of(("n" * 200 + "/") * 11 + "f")),
}


@pytest.mark.parametrize("content", ZIPS.values(), ids=ZIPS.keys())
def test_a_zip_that_lies_or_is_too_deep_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hostile.zip").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"hostile\.zip"):
        extract(tmp_path / "hostile.zip", tmp_path / "out")
    remove_tree(tmp_path / "out")


@pytest.mark.parametrize("content", ZIPS.values(), ids=ZIPS.keys())
def test_a_wheel_that_lies_or_is_too_deep_is_refused(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    with pytest.raises(IntegrityError, match=wheel.name), open_wheel(wheel):
        pytest.fail("it was opened")


def with_table(entries: int, *, zip64: bool) -> bytes:
    """A zip file that is nothing but its table of entries."""
    with zipfile.ZipFile(io.BytesIO(zip_of("a", content=b"")), "a") as archive:
        assert archive.fp is not None
        archive.fp.seek(archive.start_dir)
        one = archive.fp.read(46 + 1)
    table = one * entries
    start = b"PK\3\4" + bytes(26)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(table), len(start), 0)
    if zip64:
        place = len(start) + len(table)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
        end = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1) + end
        whole = (b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, len(table), len(start))
        end = struct.pack("<4sQ2H2L4Q", *whole) + end
    return start + table + end


@pytest.mark.parametrize("zip64", [False, True])
def test_a_zip_with_a_table_that_would_fill_the_memory_is_not_read(tmp_path: Path, zip64: bool) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(with_table(2**24 // 47 + 1, zip64=zip64))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="table of entries is longer"):
            extract(wheel, tmp_path / "out")
        with pytest.raises(IntegrityError) as caught, open_wheel(wheel):
            pass
        assert "table of entries is longer" in str(caught.value.cause)
        with wheel.open("rb") as file, pytest.raises(IntegrityError, match="table of entries is longer"):
            metadata_in(file, wheel.name)
        with pytest.raises(IntegrityError, match="table of entries is longer"):
            list(native_platforms(wheel))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "HARMLESS", 2**20)
    bomb = tmp_path / "demo-1.0.tar.gz"
    bomb.write_bytes(gzip.compress(header(size=2**22) + bytes(2**22) + END))
    with pytest.raises(IntegrityError):
        extract(bomb, tmp_path / "out")
    with pytest.raises(IntegrityError):
        tuple(read_selected(bomb, lambda name: False, most=10))


def test_what_is_deep_but_honest_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "deep.tar").write_bytes(entry(b"d/" * 99 + b"f\0", b"L") + header() + END)
    (tmp_path / "deep.zip").write_bytes(zip_of("d/" * 99 + "f"))
    for name in ("deep.tar", "deep.zip"):
        extract(tmp_path / name, tmp_path / "out" / name)
        assert (tmp_path / "out" / name / ("d/" * 99 + "f")).is_file()


@pytest.mark.parametrize("depth", [100, 1200], ids=lambda depth: f"{depth} folders")
def test_a_tree_of_any_depth_is_removed(tmp_path: Path, depth: int) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    (tmp_path / "kept").write_text("")
    # Built from below, for the system takes no path of this length.
    for _ in range(depth):
        (tmp_path / "above").mkdir()
        (tmp_path / "above" / "link").symlink_to(tmp_path / "kept")
        (tmp_path / "above" / "file").write_text("")
        top.rename(tmp_path / "above" / "tree")
        (tmp_path / "above").rename(top)
    remove_tree(top)
    assert os.listdir(tmp_path) == ["kept"]  # noqa: PTH208


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500, 0o300], ids=oct)
def test_folders_without_permissions_are_removed(tmp_path: Path, mode: int) -> None:
    inner = tmp_path / "tree" / "one" / "two"
    inner.mkdir(parents=True)
    (inner / "file").write_text("")
    for folder in (inner, inner.parent, inner.parent.parent):
        folder.chmod(mode)
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []
