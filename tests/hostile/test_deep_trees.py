"""Trees deeper than a path or a call can go, in the store and among the results of builds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.folders import files_below, remove_tree, size_of
from bundle.base.report import Reporter
from bundle.make.project_folder import remove_output
from bundle.model.config.project import Project

NAMES = ("d", "deeper-than-deep")
"""Names of the folders in a tree deeper than calls can go: with the second, its paths are longer than a path may be."""

DEPTH, MOST_CALLS = 400, 300


def grow(folder: Path, name: str) -> Path:
    """Make folders of one name within each other below a folder, with one file in the first and one in the last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "first").write_bytes(b"12345")
    here = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("last", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    return folder


@pytest.fixture(autouse=True)
def removed(tmp_path: Path) -> Iterator[None]:
    """Leave nothing that pytest cannot remove."""
    yield
    remove_tree(tmp_path)


@pytest.fixture(autouse=True)
def few_calls() -> Iterator[None]:
    """Let calls go less deep than usual, so that a smaller tree, which is quicker made, is too deep for them."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(MOST_CALLS)
    yield
    sys.setrecursionlimit(before)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store", reporter=Reporter())
    store.folder("files")
    return store


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["work/deep", "files/aa/aaaa", "keys/aa", "pages", "layers/aa/" + "a" * 64, "unknown"])
def test_the_store_is_measured_and_pruned(store: Store, part: str, name: str) -> None:
    grow(store.root / part, name)
    assert store.size()[part.partition("/")[0]] >= 5
    store.prune(older_than_days=0, now=4e9)
    assert store.check(full=True, repair=True) is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["wheelhouse", "logs/3.12.10"])
def test_the_results_of_builds_are_removed(tmp_path: Path, place: str, name: str) -> None:
    project = Project(tmp_path)
    grow(project.output / place, name)
    freed = remove_output(project, reporter=Reporter())
    assert freed is not None
    assert freed >= 5
    assert not project.output.exists()


def test_what_is_not_too_deep_is_measured_whole(tmp_path: Path) -> None:
    grow(tmp_path / "deep", "d")
    (tmp_path / "deep" / "link").symlink_to("nowhere")
    assert {entry.name for entry in files_below(tmp_path)} == {"first", "last", "link"}
    assert size_of(tmp_path) == 5 + len("nowhere")
    assert size_of(tmp_path / "deep" / "first") == 5
    assert size_of(tmp_path / "deep" / "link") == len("nowhere")
    assert size_of(tmp_path / "nothing") == 0
