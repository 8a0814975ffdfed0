from __future__ import annotations

import errno
import gzip
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.store import frames as frames_module
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.frames import FrameCompressor, Frames, compressor_name, split
from bundle.artifacts.store.layers import Layer, normalise, scan, tar_chunks
from bundle.artifacts.store.store import Store
from bundle.artifacts.store.trees import Listing, listing_of
from bundle.base.errors import IntegrityError
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import SMALL, File, Tree, grow, trees
from tests.examples import examples
from tests.reporters import Told

EPOCH = 315532800

LIMIT = 4096
"""Bytes of a frame here, so that small trees have several."""

EFFORTS = ("fast", "default", "small")

LARGE: Tree = {f"lib/{number:02}.py": File(b"x = %d\n" % number * 200) for number in range(12)} | {
    "lib/large.so": File(b"0123456789abcdef" * 1000)
}


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "FRAME_SIZE", LIMIT)


def frames_of(store: Store, layer: Layer, format_: str = "tar.zst") -> Frames:
    return store.frames([layer], Compression(format=format_))[0]


def listed(folder: Path, tree: Tree) -> Listing:
    entries = scan(grow(folder, tree))
    normalise(folder, entries, epoch=EPOCH)
    return listing_of(folder, entries, epoch=EPOCH)


def decompressed(frames: Frames) -> list[bytes]:
    """Return the content of each frame, read alone."""
    content, start, found = frames.path.read_bytes(), 0, []
    for frame in frames.frames:
        piece = content[start : start + frame.length]
        assert sha256(piece).hexdigest() == frame.sha256
        whole = gzip.decompress(piece) if piece[:2] == b"\x1f\x8b" else zstandard.ZstdDecompressor().decompress(piece)
        assert len(whole) == frame.size
        found.append(whole)
        start += frame.length
    assert start == len(content)
    return found


@pytest.mark.usefixtures("small_frames")
def test_a_large_layer_has_several_frames_and_a_large_file_one_of_its_own(tmp_path: Path) -> None:
    listing = listed(tmp_path / "tree", LARGE)

    groups = list(split(listing.entries, epoch=EPOCH))

    assert len(groups) > 3
    assert [[entry.path for entry in group] for group in groups if sum(entry.size for entry in group) > LIMIT] == [
        ["lib/large.so"]
    ]
    assert [entry.path for group in groups for entry in group] == ["", *(entry.path for entry in listing.entries)]


def test_a_layer_of_usual_size_is_one_frame(tmp_path: Path) -> None:
    assert len(list(split(listed(tmp_path / "tree", LARGE).entries, epoch=EPOCH))) == 1


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz"])
@examples(25)
@given(tree=trees(), limit=st.sampled_from([1, 600, 2048, 2**24]))
def test_any_layer_comes_back_from_its_frames(format_: str, tree: Tree, limit: int) -> None:
    scratch = Path(tempfile.mkdtemp())
    compressor = FrameCompressor(Compression(format=format_), threads=2)
    try:
        listing = listed(scratch / "tree", tree)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frames_module, "FRAME_SIZE", limit)
            made = compressor.compress(scratch / "tree", listing, scratch / "data")
            groups = list(split(listing.entries, epoch=EPOCH))
        pieces = decompressed(Frames(path=scratch / "data", frames=made))
        assert pieces == [b"".join(tar_chunks(scratch / "tree", group)) for group in groups]
        assert sha256(b"".join(pieces)).hexdigest() == listing.digest
        assert all(len(piece) <= limit or len(group) == 1 for piece, group in zip(pieces, groups, strict=True))
    finally:
        compressor.close()
        shutil.rmtree(scratch)


@pytest.mark.usefixtures("small_frames")
@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz"])
def test_the_number_of_threads_does_not_change_the_bytes(tmp_path: Path, format_: str) -> None:
    listing = listed(tmp_path / "tree", LARGE)
    found = set()
    for threads in (0, 1, 2, 5):
        compressor = FrameCompressor(Compression(format=format_), threads=threads)
        made = compressor.compress(tmp_path / "tree", listing, tmp_path / "data")
        compressor.close()
        found.add((made, (tmp_path / "data").read_bytes()))

    assert len(found) == 1


def test_frames_are_made_once_and_again_only_when_they_are_damaged(
    store: Store, add: AddLayer, collector: Told
) -> None:
    layer = add()
    made = frames_of(store, layer, "tar.gz")
    before, content = made.path.stat(), made.path.read_bytes()

    assert frames_of(store, layer, "tar.gz") == made
    assert made.path.stat().st_ino == before.st_ino

    made.path.write_bytes(content[:-1] + b"x")
    assert frames_of(store, layer, "tar.gz") == made
    assert made.path.read_bytes() == content
    assert "has other bytes" in collector.warnings[0]


@pytest.mark.parametrize("harm", ["data", "record", "size"])
def test_incomplete_frames_are_made_again(store: Store, add: AddLayer, harm: str) -> None:
    layer = add()
    made = frames_of(store, layer)
    content = made.path.read_bytes()
    if harm == "size":
        made.path.write_bytes(content + b"x")
    else:
        (made.path if harm == "data" else made.path.with_name("frames.json")).unlink()

    assert frames_of(store, layer) == made
    assert made.path.read_bytes() == content


def test_the_frames_of_another_layer_are_not_believed(store: Store, add: AddLayer) -> None:
    one, other = add("one", {"a": File(b"1")}), add("other", {"a": File(b"2")})
    made, foreign = frames_of(store, one), frames_of(store, other)
    content = made.path.read_bytes()
    shutil.rmtree(made.path.parent)
    shutil.copytree(foreign.path.parent, made.path.parent)

    assert frames_of(store, one) == made
    assert made.path.read_bytes() == content


def test_frames_are_never_made_of_other_bytes_than_the_layers(store: Store, add: AddLayer) -> None:
    layer = add()
    (store.tree(layer) / "lib/python3.12/os.py").write_bytes(b"name = 'virus'\n")

    with pytest.raises(IntegrityError, match="tree has other bytes"):
        frames_of(store, layer)
    assert list(store.root.glob("frames/??/*")) == []


def test_the_frames_of_many_layers_come_in_their_order(store: Store, add: AddLayer) -> None:
    layers = [add(str(number), {"a": File(os.urandom(100 * number))}) for number in range(9)]
    store.frames(layers[3:6], Compression(format="tar.zst"))

    made = store.frames([*layers, layers[0]], Compression(format="tar.zst"))

    digests = [sha256(b"".join(decompressed(one))).hexdigest() for one in made]
    assert digests == [layer.digest for layer in [*layers, layers[0]]]
    assert list((store.root / "work").iterdir()) == []


def test_a_full_disk_is_told_with_the_layer_that_did_not_fit(
    store: Store, add: AddLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = add("numpy", SMALL)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Compression, "compressor", full)
    with pytest.raises(OSError, match=layer.digest):
        frames_of(store, layer)
    assert list(store.root.glob("frames/??/*")) == []
    assert list((store.root / "work").iterdir()) == []


def test_the_name_of_a_compressor_tells_all_that_shapes_its_bytes() -> None:
    names = {
        compressor_name(Compression(format=format_, effort=effort))
        for format_ in ("tar.zst", "tar.gz")
        for effort in EFFORTS
    }
    assert len(names) == 6
    assert compressor_name(Compression(format="tar.gz")).endswith("-6-16M.tar.gz")
