from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.assemble.layers import Layering, direct_url
from bundle.model.locks.lock import LockedPackage, Vcs
from bundle.model.platforms import PLATFORMS
from tests.artifacts.wheelmaker import make_wheel

COMMIT = LockedPackage(
    name="tool",
    version="1.0",
    kind="source",
    file=None,
    reason="",
    required_by=("",),
    vcs=Vcs(url="https://git.example/tool", requested="main", commit="a" * 40, subdirectory="python"),
)


@pytest.fixture
def layering(tmp_path: Path) -> Layering:
    store = Store(tmp_path / "store", reporter=Reporter())
    return Layering(store=store, platform=PLATFORMS["linux-x64"], python="3.12.1", reporter=Reporter())


def test_a_wheel_becomes_one_layer_that_is_found_again_without_the_wheel(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    digest = sha256_of(wheel)
    made = layering.wheel(wheel, sha256=digest, direct_url=None)
    wheel.unlink()
    found = layering.find_wheel(digest, None)
    assert found == made
    assert "lib/python3.12/site-packages/tool/__init__.py" in {entry.path for entry in made.entries}


def test_the_same_wheel_for_another_python_is_another_layer(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    digest = sha256_of(wheel)
    layering.wheel(wheel, sha256=digest, direct_url=None)
    other = Layering(store=layering.store, platform=layering.platform, python="3.13.0", reporter=Reporter())
    assert other.find_wheel(digest, None) is None
    patch = Layering(store=layering.store, platform=layering.platform, python="3.12.9", reporter=Reporter())
    assert patch.find_wheel(digest, None) is not None
    assert replace(layering, user_site=True).find_wheel(digest, None) is None


def test_a_package_from_a_repository_says_where_it_came_from(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    layer = layering.wheel(wheel, sha256=sha256_of(wheel), direct_url=direct_url(COMMIT))
    (record,) = (entry.path for entry in layer.entries if entry.path.endswith("direct_url.json"))
    value = json.loads((layering.store.tree(layer) / record).read_bytes())
    assert value == {
        "url": "https://git.example/tool",
        "subdirectory": "python",
        "vcs_info": {"vcs": "git", "commit_id": "a" * 40, "requested_revision": "main"},
    }


def test_a_carried_wheel_stands_in_the_bundle_as_a_file(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    layer = layering.carried_wheel(wheel, sha256=sha256_of(wheel), package=COMMIT)
    assert [entry.path for entry in layer.entries] == ["packages", f"packages/{wheel.name}"]


def test_documents_become_a_layer_of_just_these_texts(layering: Layering) -> None:
    layer = layering.documents({"bundle.json": "{}\n", "packages/pylock.toml": ""})
    assert {entry.path for entry in layer.entries} == {"bundle.json", "packages", "packages/pylock.toml"}
    assert layering.documents({"bundle.json": "{}\n", "packages/pylock.toml": ""}) == layer
    assert layering.documents({"bundle.json": "{ }\n", "packages/pylock.toml": ""}) != layer
