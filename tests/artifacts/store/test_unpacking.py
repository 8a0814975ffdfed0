from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given

from bundle.artifacts.catalogue_entry import layer_record
from bundle.artifacts.store import frames as frames_module
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Entry, Layer
from bundle.artifacts.store.store import Store
from bundle.artifacts.store.unpacking import entry_obstacle, write_file
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import File, Tree, grow, read, trees
from tests.examples import examples

LONG: Tree = {f"lib/{'d' * 90}/{'e' * 90}/{number}.py": File(b"x = %d\n" % number * 300) for number in range(20)}


def sent(store: Store, layer: Layer, other: Store) -> Layer:
    """Send a layer's frames to another store."""
    (frames,) = store.frames([layer], Compression(format="tar.zst"))
    with frames.path.open("rb") as file:
        return other.receive(layer_record(layer), file, frames.frames)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other", reporter=Reporter())


def contents(tree: Path) -> dict[str, tuple[str, int, int, bytes]]:
    """Return what is in a tree of a store, which gives its folders their time only where it lays them out."""
    rows = read(tree).items()
    return {path: (kind, mode, 0 if kind == "folder" else time, data) for path, (kind, mode, time, data) in rows}


@pytest.mark.parametrize("tree", [LONG, None])
def test_a_layer_is_the_same_in_the_store_that_received_it(
    store: Store, add: AddLayer, other: Store, tree: Tree | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "FRAME_SIZE", 4096)
    layer = add(tree=tree) if tree else add()
    received = sent(store, layer, other)
    assert received.entries == layer.entries
    assert contents(other.tree(received)) == contents(store.tree(layer))
    assert other.check(full=True) == []
    assert other.layer(layer_record(layer)) == received


@examples(20)
@given(trees())
def test_any_layer_is_the_same_in_the_store_that_received_it(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, other = (Store(folder / one, reporter=Reporter()) for one in ("one", "other"))
        layer = store.add("wheel", {}, grow(folder / "tree", tree), name="any", version="1", about={})
        received = sent(store, layer, other)
        assert (received.digest, received.entries) == (layer.digest, layer.entries)
        assert other.check(full=True) == []


def test_a_layer_of_another_time_keeps_it(tmp_path: Path, other: Store) -> None:
    store = Store(tmp_path / "cache", reporter=Reporter(), epoch=1_700_000_000)
    tree = grow(tmp_path / "tree", {"a.py": File(b"1"), "lib": None})
    layer = store.add("wheel", {}, tree, name="a", version="1", about={})
    received = sent(store, layer, other)
    target = tmp_path / "target"
    target.mkdir()
    other.materialise([received], target)
    assert {int((target / name).stat().st_mtime) for name in ("a.py", "lib")} == {1_700_000_000}


def test_modes_do_not_depend_on_the_umask(store: Store, add: AddLayer, other: Store) -> None:
    layer = add()
    before = os.umask(0o077)
    try:
        received = sent(store, layer, other)
    finally:
        os.umask(before)
    assert contents(other.tree(received)) == contents(store.tree(layer))


def test_a_layer_that_is_refused_leaves_nothing(store: Store, add: AddLayer, other: Store) -> None:
    layer = add()
    (frames,) = store.frames([layer], Compression(format="tar.zst"))
    content = bytearray(frames.path.read_bytes())
    content[-20] ^= 1
    with pytest.raises(IntegrityError, match="frame 1 has other bytes"):
        other.receive(layer_record(layer), io.BytesIO(content), frames.frames)
    assert other.layer(layer_record(layer)) is None
    assert [*(other.root / "work").iterdir()] == []


def test_a_tree_is_adopted_only_with_the_digest_of_its_layer(
    store: Store, add: AddLayer, other: Store, tmp_path: Path
) -> None:
    layer = add(tree={"a.py": File(b"1")})
    assert other.adopt(layer_record(layer), grow(tmp_path / "wrong", {"a.py": File(b"2")}), epoch=315532800) is None
    adopted = other.adopt(layer_record(layer), grow(tmp_path / "right", {"a.py": File(b"1")}), epoch=315532800)
    assert adopted is not None
    assert adopted.entries == layer.entries
    assert other.check(full=True) == []


@pytest.mark.parametrize(
    ("path", "kind", "target"),
    [
        ("", "file", None),
        ("a/../b", "file", None),
        ("/a", "file", None),
        ("C:a", "file", None),
        ("a//b", "file", None),
        ("./a", "file", None),
        ("a\\b", "file", None),
        ("a" * 300, "file", None),
        ("a", "symlink", "../b"),
        ("a", "symlink", ""),
        ("a", "symlink", "b\n"),
    ],
)
def test_unsafe_entries_are_told(path: str, kind: str, target: str | None) -> None:
    assert entry_obstacle(Entry(path, kind, False, 0, None, target)) is not None  # type: ignore[arg-type]


def test_safe_entries_are_none() -> None:
    assert entry_obstacle(Entry("a/b", "symlink", False, 0, None, "../c")) is None
    assert entry_obstacle(Entry("Grüße 你好", "file", False, 0, None, None)) is None


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise OSError(errno.ENOSPC, "No space left on device")

    path = str(tmp_path / "file")
    with pytest.raises(OSError, match="No space") as raised:
        write_file(path, Entry("file", "file", False, 9, None, None), chunks(), epoch=0)
    assert raised.value.filename == path
