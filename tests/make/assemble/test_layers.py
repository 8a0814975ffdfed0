from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.assemble.layers import Layering
from bundle.model.locks.lock import LockedFile, LockedPackage, Vcs
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

TOOL = replace(COMMIT, vcs=None, kind="wheel", file=LockedFile(name="tool.whl", size=1, sha256="f" * 64))


@pytest.fixture
def layering(tmp_path: Path) -> Layering:
    store = Store(tmp_path / "store", reporter=Reporter())
    return Layering(store=store, platform=PLATFORMS["linux-x64"], python="3.12.1", reporter=Reporter())


def test_a_wheel_becomes_one_layer_that_is_found_again_without_the_wheel(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    digest = sha256_of(wheel)
    made = layering.wheel(wheel, sha256=digest, package=TOOL)
    wheel.unlink()
    found = layering.find_wheel(digest, TOOL)
    assert found == made
    assert "lib/python3.12/site-packages/tool/__init__.py" in {entry.path for entry in made.entries}


def test_the_same_wheel_for_another_python_is_another_layer(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    digest = sha256_of(wheel)
    layering.wheel(wheel, sha256=digest, package=TOOL)
    other = Layering(store=layering.store, platform=layering.platform, python="3.13.0", reporter=Reporter())
    assert other.find_wheel(digest, TOOL) is None
    patch = Layering(store=layering.store, platform=layering.platform, python="3.12.9", reporter=Reporter())
    assert patch.find_wheel(digest, TOOL) is not None
    assert replace(layering, user_site=True).find_wheel(digest, TOOL) is None


def test_a_package_from_a_repository_says_where_it_came_from(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    layer = layering.wheel(wheel, sha256=sha256_of(wheel), package=COMMIT)
    (record,) = (entry.path for entry in layer.entries if entry.path.endswith("direct_url.json"))
    value = json.loads((layering.store.tree(layer) / record).read_bytes())
    assert value == {
        "url": "https://git.example/tool",
        "subdirectory": "python",
        "vcs_info": {"vcs": "git", "commit_id": "a" * 40, "requested_revision": "main"},
    }


def test_a_key_that_leads_to_the_layer_of_another_package_is_forgotten(layering: Layering, tmp_path: Path) -> None:
    wheels = {
        name: make_wheel(tmp_path, name, version, files={f"{name}.py": b""})
        for name, version in (("tool", "1.0"), ("other", "1.0"))
    }
    newer = make_wheel(tmp_path / "newer", "tool", "2.0", files={"tool.py": b""})
    hashes = {name: sha256_of(wheel) for name, wheel in wheels.items()}
    right = layering.wheel(wheels["tool"], sha256=hashes["tool"], package=TOOL)
    for wrong in (wheels["other"], newer):
        # As if the key of the one wheel had been written with the layer of the other.
        layering.store.forget("wheel", layering._wheel_key(hashes["tool"], None))
        layering.wheel(wrong, sha256=hashes["tool"], package=TOOL)
        assert layering.find_wheel(hashes["tool"], TOOL) is None
        assert layering.wheel(wheels["tool"], sha256=hashes["tool"], package=TOOL) == right
        assert layering.find_wheel(hashes["tool"], TOOL) == right


def test_a_carried_wheel_that_changed_is_not_carried(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    digest = sha256_of(wheel)
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="changed while it was copied"):
        layering.carried_wheel(wheel, sha256=digest, package=TOOL)


def test_a_carried_wheel_stands_in_the_bundle_as_a_file(layering: Layering, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "tool", "1.0", files={"tool/__init__.py": b"x = 1\n"})
    layer = layering.carried_wheel(wheel, sha256=sha256_of(wheel), package=COMMIT)
    assert [entry.path for entry in layer.entries] == ["packages", f"packages/{wheel.name}"]


def test_documents_become_a_layer_of_just_these_texts(layering: Layering) -> None:
    layer = layering.documents({"bundle.json": "{}\n", "packages/pylock.toml": ""})
    assert {entry.path for entry in layer.entries} == {"bundle.json", "packages", "packages/pylock.toml"}
    assert layering.documents({"bundle.json": "{}\n", "packages/pylock.toml": ""}) == layer
    assert layering.documents({"bundle.json": "{ }\n", "packages/pylock.toml": ""}) != layer
