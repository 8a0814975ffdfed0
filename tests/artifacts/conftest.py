from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from tests.artifacts.trees import SMALL, Tree, grow
from tests.reporters import Told

AddLayer = Callable[..., Layer]


@pytest.fixture
def collector() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, collector: Told) -> Store:
    return Store(tmp_path / "cache", reporter=collector)


@pytest.fixture
def add(store: Store, tmp_path: Path) -> AddLayer:
    """Grow a tree and add it; its name is its key."""

    def add_layer(name: str = "numpy", tree: Tree = SMALL, version: str = "2.2.6") -> Layer:
        folder = grow(tmp_path / "trees" / name / version, tree)
        return store.add("wheel", {"name": name}, folder, name=name, version=version, about={"native": ("a.so",)})

    return add_layer
