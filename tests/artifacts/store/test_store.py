from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import DamagedLayerError, Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.report import Reporter
from bundle.model.manifest import Conflict
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import SMALL, File, Link, grow, read
from tests.reporters import Told

EPOCH = 315532800


def find(store: Store, name: str = "numpy", *, full: bool = False) -> Layer | None:
    return (Store(store.root, reporter=Reporter(), full=True) if full else store).find("wheel", {"name": name})


def some_file(store: Store, layer: Layer) -> Path:
    return store.tree(layer) / "lib/python3.12/os.py"


def test_a_layer_is_found_by_what_shaped_it(store: Store, add: AddLayer) -> None:
    layer = add()

    assert find(store) == layer
    assert layer.about == {"native": ["a.so"]}
    assert layer.size == sum(len(what.content) for what in SMALL.values() if isinstance(what, File))
    assert find(store, "scipy") is None
    assert store.find("copyFiles", {"name": "numpy"}) is None


def test_the_order_of_a_keys_parts_says_nothing(store: Store, tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", SMALL)
    layer = store.add("wheel", {"a": 1, "b": [2]}, tree, name="x", version="1", about={})

    assert store.find("wheel", {"b": [2], "a": 1}) == layer


def test_layers_of_another_time_stamp_are_others(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layer = add()
    later = Store(store.root, reporter=Reporter(), epoch=EPOCH + 2)

    assert find(later) is None
    other = later.add("wheel", {"name": "numpy"}, grow(tmp_path / "t", SMALL), name="numpy", version="1", about={})
    assert other.digest != layer.digest
    assert find(later) == other
    assert find(store) == layer
    assert store.check(full=True) == []


def test_two_names_for_the_same_bytes_share_a_tree_and_keep_their_names(store: Store, add: AddLayer) -> None:
    first, second = add("one"), add("other")

    assert first.digest == second.digest
    assert find(store, "one") == first
    assert find(store, "other") == second


def test_whoever_comes_second_gets_the_layer_of_the_first(store: Store, add: AddLayer, tmp_path: Path) -> None:
    first = add()
    tree = grow(tmp_path / "again", {**SMALL, "made": File(b"at another time")})

    assert store.add("wheel", {"name": "numpy"}, tree, name="numpy", version="2.2.6", about={}) == first


def test_threads_that_add_the_same_layer_agree(tmp_path: Path) -> None:
    folders = [grow(tmp_path / f"tree{number}", SMALL) for number in range(8)]
    stores = [Store(tmp_path / "cache", reporter=Reporter()) for _ in folders]

    def add_one(number: int) -> Layer:
        return stores[number].add("wheel", {"k": number % 2}, folders[number], name="x", version="1", about={})

    with ThreadPoolExecutor(8) as pool:
        layers = list(pool.map(add_one, range(8)))

    assert len({layer.digest for layer in layers}) == 1
    assert stores[0].check(full=True) == []
    assert list((tmp_path / "cache" / "work").iterdir()) == []


def test_a_tree_that_may_not_be_stored_is_left_where_it_is(store: Store, tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", {"link": Link("/etc/passwd")})

    with pytest.raises(IntegrityError):
        store.add("wheel", {}, tree, name="x", version="1", about={})

    assert (tree / "link").is_symlink()
    assert store.find("wheel", {}) is None


def test_a_tree_on_another_file_system_is_taken_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = grow(tmp_path / "elsewhere", SMALL)
    rename = os.rename

    def rename_here(source: Path, target: Path) -> None:
        if source == tree:
            raise OSError(errno.EXDEV, "another file system")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_here)
    layer = store.add("wheel", {}, tree, name="x", version="1", about={})

    assert not tree.exists()
    assert store.check(full=True) == []
    assert Store(store.root, reporter=Reporter(), full=True).find("wheel", {}) == layer


def test_a_materialised_tree_is_the_layer(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layer = add()
    target = tmp_path / "out"
    target.mkdir(mode=0o700)

    assert store.materialise([layer], target) == []

    found = read(target)
    for path, what in SMALL.items():
        kind, mode, moment, content = found[path]
        if isinstance(what, File):
            expected = ("file", 0o755 if what.executable else 0o644, EPOCH, what.content)
            assert (kind, mode, moment, content) == expected
        elif isinstance(what, Link):
            assert (kind, content) == ("symlink", what.target.encode())
    assert {(mode, moment) for kind, mode, moment, _ in found.values() if kind == "folder"} == {(0o755, EPOCH)}
    assert target.stat().st_mode & 0o777 == 0o755
    assert int(target.stat().st_mtime) == EPOCH


def test_editing_every_file_of_a_bundle_in_place_never_reaches_the_store(
    store: Store, add: AddLayer, tmp_path: Path
) -> None:
    layer = add()
    target = tmp_path / "out"
    target.mkdir()
    store.materialise([layer], target)

    for path in target.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("r+b") as file:
                file.write(b"edited")
            path.chmod(0o600)

    assert store.check(full=True) == []
    assert find(store, full=True) == layer


def test_the_later_layer_wins(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layers = [add("one", {"a": File(b"1"), "b/c": File(b"")}), add("two", {"a": File(b"2"), "b/d": File(b"")})]
    target = tmp_path / "out"
    target.mkdir()

    assert store.materialise(layers, target) == [Conflict(path="a", kept="two", lost="one")]
    assert (target / "a").read_bytes() == b"2"
    assert {path.name for path in (target / "b").iterdir()} == {"c", "d"}


def test_a_damaged_tree_is_not_found_and_warned_of(store: Store, add: AddLayer, collector: Told) -> None:
    layer = add()
    some_file(store, layer).write_bytes(b"name = 'virus'\n")

    assert find(store) is None
    assert "lib/python3.12/os.py was changed" in collector.warnings[0]
    assert add(version="again").digest == layer.digest
    assert find(store) is not None


def test_a_change_that_hides_from_the_stamp_is_found_by_a_full_check(store: Store, add: AddLayer) -> None:
    layer = add()
    hidden = some_file(store, layer)
    hidden.write_bytes(b"name = 'virus'\n")
    os.utime(hidden, (EPOCH, EPOCH))

    assert find(store) == layer
    assert store.check(full=False) == []
    assert store.check(full=True) == [f"layer {layer.digest}: lib/python3.12/os.py has other bytes"]
    assert find(store, full=True) is None


def test_a_change_that_hides_from_the_stamp_never_reaches_a_bundle(
    store: Store, add: AddLayer, collector: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundle.base.reflink._clone", lambda *_: False)
    other, layer = add("other", {"else": File(b"x")}), add()
    hidden = some_file(store, layer)
    hidden.write_bytes(b"name = 'virus'\n")
    os.utime(hidden, (EPOCH, EPOCH))
    (tmp_path / "out").mkdir()

    with pytest.raises(DamagedLayerError, match=r"os\.py has other bytes") as caught:
        store.materialise([other, layer], tmp_path / "out")

    assert caught.value.digest == layer.digest
    assert find(store) is None
    assert find(store, "other") == other
    assert add(version="again").digest == layer.digest


@pytest.mark.parametrize("ending", ["tar.zst", "tar.gz", "zip"])
def test_nor_does_it_reach_an_archive(store: Store, add: AddLayer, tmp_path: Path, ending: str) -> None:
    layer = add()
    hidden = some_file(store, layer)
    hidden.write_bytes(b"name = 'virus'\n")
    os.utime(hidden, (EPOCH, EPOCH))

    with pytest.raises(DamagedLayerError):
        pack(store, [layer], tmp_path / f"archive.{ending}", Compression(format=ending))

    assert not (tmp_path / f"archive.{ending}").exists()
    assert find(store) is None


def test_a_forgotten_key_leads_to_nothing(store: Store, add: AddLayer) -> None:
    layer = add()
    store.forget("wheel", {"name": "numpy"})
    store.forget("wheel", {"name": "not there"})

    assert find(store) is None
    assert store.tree(layer).is_dir()


def test_a_layer_that_is_pruned_while_it_is_used_is_a_clear_error(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layer = add()
    assert store.prune(older_than_days=0, now=time.time() + 1) > 0
    (tmp_path / "out").mkdir()

    with pytest.raises(WorkError, match="was removed from the store"):
        store.materialise([layer], tmp_path / "out")


def test_a_store_that_may_only_be_read_still_gives(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layer = add()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    (tmp_path / "out").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bundle.artifacts.store.scratch.os.utime", refuse)
        found = find(store)
    assert found == layer


def test_a_store_that_cannot_be_written_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the store should be")
    store = Store(tmp_path / "cache", reporter=Reporter())

    with pytest.raises(OSError, match="cache"):
        store.add("wheel", {}, grow(tmp_path / "tree", SMALL), name="x", version="1", about={})


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(
    store: Store, add: AddLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = add()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bundle.artifacts.store.store.place_tree", full)
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="out"):
        store.materialise([layer], tmp_path / "out")


def test_folders_for_other_caches_are_made_and_no_others(store: Store) -> None:
    assert store.folder("metadata").is_dir()
    with pytest.raises(ValueError, match="not a folder of the store"):
        store.folder("../elsewhere")


def test_a_work_folder_is_gone_at_the_end_whatever_happens(store: Store) -> None:
    def interrupted() -> None:
        with store.work() as work:
            (work / "half").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with store.work() as work:
        (work / "whole").touch()

    assert list((store.root / "work").iterdir()) == []
