from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.cli.app import Result
from tests.artifacts.trees import SMALL, grow
from tests.cli.results import result_of, text_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "cache", reporter=Reporter())
    layer = store.add("wheel", {"a": 1}, grow(tmp_path / "tree", SMALL), name="numpy", version="2.2.6", about={})
    store.frames([layer], Compression(format="tar.zst"))
    return store


def call(store: Store, *arguments: str) -> Result:
    return result_of(None, "cache", *arguments, environ={"BUNDLE_CACHE_DIR": str(store.root)})


def test_the_folder_is_told(store: Store) -> None:
    result = call(store, "dir")

    assert result.data == {"dir": str(store.root)}
    assert text_of(result) == f"{store.root}\n"


def test_the_size_is_told_by_part_and_in_all(store: Store) -> None:
    result = call(store, "size")

    assert result.data["total"] == sum(result.data["parts"].values())
    assert result.data["parts"].keys() >= {"layers", "frames", "keys"}
    assert text_of(result).splitlines()[-1].startswith("total")


def test_a_sound_store_is_said_to_be_sound(store: Store) -> None:
    result = call(store, "verify")

    assert (result.exit_code, result.data["damaged"]) == (0, [])
    assert "sound" in text_of(result)


def test_damage_is_listed_and_repaired_on_request(store: Store) -> None:
    for path in store.root.glob("layers/??/*/tree/lib/python3.12/os.py"):
        path.write_bytes(b"other")

    found = call(store, "verify")
    assert found.exit_code == 4
    assert "lib/python3.12/os.py was changed" in found.data["damaged"][0]
    assert "bundle cache verify --repair" in text_of(found)

    repaired = call(store, "verify", "--repair")
    assert (repaired.exit_code, repaired.data["repaired"]) == (0, True)
    assert "removed" in text_of(repaired)
    assert call(store, "verify").exit_code == 0


def test_what_was_not_used_for_a_while_is_pruned(store: Store) -> None:
    assert call(store, "prune").data["freed"] == 0
    past = time.time() - 3 * 24 * 3600
    for path in store.root.rglob("*"):
        if path.is_file() and "tree" not in path.parts:
            os.utime(path, (past, past))

    assert call(store, "prune").data["freed"] == 0
    freed = call(store, "prune", "--older-than", "2")

    assert freed.data["freed"] > 0
    assert "freed" in text_of(freed)
    assert not list(store.root.glob("layers/??/*"))


def test_a_store_that_does_not_exist_is_empty_and_sound(tmp_path: Path) -> None:
    store = Store(tmp_path / "none", reporter=Reporter())

    assert call(store, "size").data["total"] == 0
    assert call(store, "verify").exit_code == 0
    assert call(store, "prune").data["freed"] == 0
