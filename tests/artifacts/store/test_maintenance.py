from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.json_cache import JsonCache
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.paths import PARTS
from bundle.artifacts.store.store import Store
from bundle.base.files import locked
from bundle.base.report import Reporter
from bundle.base.staging import host_mark
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import SMALL, File
from tests.reporters import Told

EPOCH = 315532800
DAY = 24 * 3600

DEAD = f".anything.4194304-{host_mark()}{'0' * 16}.staging"
"""The name of what a killed process left."""


def find(store: Store, name: str) -> Layer | None:
    return store.find("wheel", {"name": name})


def age(store: Store, days: float) -> None:
    """Let all entries of a store be as if they had not been used for a while."""
    past = time.time() - days * DAY
    for path in store.root.rglob("*"):
        if path.is_file() and "tree" not in path.parts:
            os.utime(path, (past, past))


def repository(store: Store, name: str = "ab" * 16) -> Path:
    folder = store.folder("repositories") / name
    (folder / "objects/pack").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "objects/pack/one.pack").write_bytes(bytes(1000))
    return folder


def every_entry(store: Store, add: AddLayer) -> dict[str, Path]:
    """Put something into every part of a store, and return its path by the part's name."""
    layer = add()
    for name, part in PARTS.items():
        if part.json and name != "keys":
            JsonCache(store.folder(name), lambda value: value).put("key", 1)
    (store.root / "wheel").write_bytes(b"wheel")
    store.folder("pages").joinpath("page").write_text("links")
    failed = store.folder("failed") / "3.12.10-linux-x64-demo-1.0"
    failed.mkdir()
    (failed / "log").touch()
    wine = store.folder("work") / "wine-9"
    wine.mkdir()
    (wine / "system.reg").touch()
    return {
        "failed": failed,
        "files": store.files.add(store.root / "wheel").parent,
        "frames": store.frames([layer], Compression(format="tar.zst"))[0].path.parent,
        "layers": store.tree(layer).parent,
        "pages": store.folder("pages") / "page",
        "repositories": repository(store),
        "work": wine,
        **{name: next((store.root / name).rglob("*.json")) for name, part in PARTS.items() if part.json},
    }


def test_every_part_that_was_not_used_is_pruned_and_no_other(store: Store, add: AddLayer) -> None:
    entries = every_entry(store, add)
    assert entries.keys() == PARTS.keys()

    age(store, 29)
    assert store.prune(older_than_days=30) == 0
    assert [name for name, path in entries.items() if not path.exists()] == []

    age(store, 31)
    assert store.prune(older_than_days=30) > 1000
    assert [name for name, path in entries.items() if path.exists()] == []


def test_what_was_used_lately_is_kept(store: Store, add: AddLayer, tmp_path: Path) -> None:
    old, used = add("old", {"a": File(b"1")}), add("used", {"a": File(b"2")})
    frames = [store.frames([layer], Compression(format="tar.zst"))[0].path for layer in (old, used)]
    (tmp_path / "numpy.whl").write_bytes(b"wheel")
    wheel = store.files.add(tmp_path / "numpy.whl")
    measured = JsonCache(store.folder("audits"), int)
    for key in ("old", "used"):
        measured.put(key, 1)
    age(store, 40)
    assert find(store, "used") == used
    store.frames([used], Compression(format="tar.zst"))
    assert measured.find("used") == 1

    freed = store.prune(older_than_days=30)

    assert freed > len(b"wheel")
    assert find(store, "old") is None
    assert find(store, "used") == used
    assert [path.exists() for path in frames] == [False, True]
    assert [measured.find(key) for key in ("old", "used")] == [None, 1]
    assert not wheel.exists()
    assert store.check(full=True) == []


def test_what_a_running_command_may_use_is_kept_and_what_it_did_not_touch_goes(store: Store, add: AddLayer) -> None:
    old, used = add("old", {"a": File(b"1")}), add("used", {"a": File(b"2")})
    age(store, 10)
    with store.in_use():
        assert find(store, "used") == used

        assert store.prune(older_than_days=0) > 0
        assert store.tree(used).is_dir()
        assert find(store, "used") == used
        assert not store.tree(old).exists()

    age(store, 1)
    assert store.prune(older_than_days=0) > 0
    assert not store.tree(used).exists()


def test_a_repository_is_not_pruned_while_it_is_used(store: Store) -> None:
    folder = repository(store)
    age(store, 40)
    pruned = threading.Thread(target=lambda: store.prune(older_than_days=30))
    with locked(folder.with_name(f"{folder.name}.lock"), reporter=Reporter(), what="the repository"):
        pruned.start()
        pruned.join(timeout=0.2)
        assert folder.is_dir()
        os.utime(folder / "HEAD")
    pruned.join()

    assert folder.is_dir()


@pytest.mark.parametrize(
    "place",
    [
        *(f"{name}/ab" for name in PARTS if name not in ("pages", "repositories", "work")),
        *(f"files/ab/{'ab' * 32}", "pages", "repositories", "work", "work/wine-9"),
    ],
)
def test_what_killed_processes_left_is_swept_from_every_cache(store: Store, place: str) -> None:
    (store.root / place / DEAD).mkdir(parents=True)
    (store.root / place / DEAD / "half").touch()

    assert store.check(full=False) == []
    assert list((store.root / place).iterdir()) == []


def test_frames_of_an_earlier_form_are_no_damage_and_are_pruned(store: Store, add: AddLayer) -> None:
    made = store.frames([add()], Compression(format="tar.zst"))[0]
    old = made.path.parent.with_name(f"{'0' * 64}.zstd-1.5.7-9.tar.zst")
    for path in (old, old.with_name(f"{old.name}.json")):
        path.write_text("{}")
        os.utime(path, (EPOCH, EPOCH))

    assert store.check(full=True) == []
    store.prune(older_than_days=30)
    assert list(made.path.parent.parent.iterdir()) == [made.path.parent]


def test_what_a_killed_process_leaves_is_no_damage(store: Store) -> None:
    part = store.files.path_for("0" * 64, "numpy.whl.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")

    assert store.check(full=True) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 2}', b'{"digest": "x"}'])
def test_damaged_listings_and_keys_are_told_and_count_as_absent(store: Store, add: AddLayer, content: bytes) -> None:
    layer = add()
    for path in [*store.root.glob("keys/??/*.json"), store.tree(layer).parent / "layer.json"]:
        before = path.read_bytes()
        path.write_bytes(content)
        assert len(store.check(full=False)) == 1
        assert find(store, "numpy") is None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(before)


def test_a_damaged_value_of_any_cache_is_told_and_removed(store: Store, add: AddLayer, collector: Told) -> None:
    entries = every_entry(store, add)
    damaged = [path for name, path in entries.items() if PARTS[name].json]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-2])

    assert len(store.check(full=False, repair=True)) == len(damaged)
    assert not any(path.exists() for path in damaged)
    assert store.check(full=True) == []
    assert collector.warnings == []


def test_repair_removes_what_is_damaged_and_nothing_else(store: Store, add: AddLayer, tmp_path: Path) -> None:
    sound, harmed = add("sound", {"a": File(b"1")}), add("harmed", SMALL)
    store.frames([sound], Compression(format="tar.zst"))[0].path.write_bytes(b"x")
    (store.tree(harmed) / "lib/python3.12/os.py").unlink()
    (tmp_path / "numpy.whl").write_bytes(b"wheel")
    store.files.add(tmp_path / "numpy.whl").write_bytes(b"whale")

    damaged = store.check(full=True, repair=True)

    assert sorted(line.partition(" ")[0] for line in damaged) == ["file", "frames:", "layer"]
    assert store.check(full=True) == []
    assert find(store, "sound") == sound
    assert find(store, "harmed") is None


def test_the_size_is_told_by_part(store: Store, add: AddLayer) -> None:
    assert store.size() == {}
    layer = add()
    store.frames([layer], Compression(format="tar.zst"))

    parts = store.size()

    assert parts["layers"] > layer.size
    assert parts["frames"] > 0
    shutil.rmtree(store.root)
    assert store.size() == {}
