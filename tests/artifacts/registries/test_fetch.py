from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.files import sha256_of
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import dump_lock, read_lock, write_lock
from tests.make.lockable import Lockable
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("top", "1.0", ["low"])
        running.wheel("low", "1.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry, version=platform.python_version())


def test_fetching_fills_cache_and_wheelhouse(place: Lockable) -> None:
    lock = place.lock("top")

    found = place.fetch(lock, place.config("top"))

    names = {"top-1.0-py3-none-any.whl", "low-1.0-py3-none-any.whl"}
    assert {file.name for file in place.project.wheelhouse.iterdir()} == names
    assert all(sha256_of(path) == sha256 for sha256, path in found.items())
    assert {path.name for path in found.values()} == names


def test_uv_installs_from_the_lock_after_fetching(place: Lockable, tmp_path: Path) -> None:
    lock = place.lock("top")
    path = place.project.lock_path(place.version, "linux-x64")
    write_lock(lock, path)
    place.fetch(lock, place.config("top"))
    target = tmp_path / "installed"

    subprocess.run(
        [
            *(find_uv_bin(), "pip", "install", "--offline", "--no-config", "--no-cache", "--quiet"),
            *("--python", sys.executable, "--target", target, "-r", path),
        ],
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS": "never"},
    )

    assert (target / "top.py").is_file()
    assert (target / "low.py").is_file()


def test_what_is_in_the_cache_needs_no_network(place: Lockable) -> None:
    lock = place.lock("top")
    place.fetch(lock, place.config("top"))
    shutil.rmtree(place.project.wheelhouse)

    place.fetch(lock, place.config("top"), offline=True)

    assert len(list(place.project.wheelhouse.iterdir())) == 2


def test_offline_with_an_empty_cache_lists_everything_that_is_missing(place: Lockable) -> None:
    lock = place.lock("top")

    with pytest.raises(NetworkError) as caught:
        place.fetch(lock, place.config("top"), offline=True, cache="empty")

    text = "\n".join(caught.value.details)
    assert caught.value.exit_code == 3
    assert "2 files of the lock" in caught.value.what
    assert "top-1.0-py3-none-any.whl" in text
    assert "low-1.0-py3-none-any.whl" in text


def test_any_mirror_with_the_same_bytes_will_do(place: Lockable, registry: Registry, tmp_path: Path) -> None:
    lock = place.lock("top")
    shutil.copytree(registry.root, tmp_path / "mirror")
    with serving(Registry(tmp_path / "mirror")) as mirror:
        place.registries["default"] = mirror.url
        registry.requests.clear()

        place.fetch(lock, place.config("top"), cache="empty")

        assert not registry.requests
        assert mirror.asked == {"top", "low"}


def test_a_replaced_file_is_refused(place: Lockable, registry: Registry) -> None:
    lock = place.lock("top")
    registry.wheel("low", "1.0", ["something-else"])

    with pytest.raises(IntegrityError, match=r"low-1\.0-py3-none-any\.whl"):
        place.fetch(lock, place.config("top"))
    with pytest.raises(IntegrityError, match="with another hash than in the lock"):
        place.fetch(lock, place.config("top"), cache="empty")


def test_a_file_that_is_gone_is_named(place: Lockable, registry: Registry) -> None:
    lock = place.lock("top")
    (registry.root / "low" / "low-1.0-py3-none-any.whl").unlink()

    with pytest.raises(NetworkError, match=r"low-1\.0-py3-none-any\.whl is in none of the configured registries"):
        place.fetch(lock, place.config("top"), cache="empty")


def test_a_damaged_file_in_the_wheelhouse_is_replaced(place: Lockable) -> None:
    lock = place.lock("top")
    place.fetch(lock, place.config("top"))
    damaged = place.project.wheelhouse / "low-1.0-py3-none-any.whl"
    damaged.write_bytes(b"other")

    place.fetch(lock, place.config("top"))

    assert sha256_of(damaged) in {file.sha256 for file in lock.files}


def test_editing_the_wheelhouse_never_changes_the_cache(place: Lockable) -> None:
    lock = place.lock("top")
    found = place.fetch(lock, place.config("top"))
    with (place.project.wheelhouse / "low-1.0-py3-none-any.whl").open("r+b") as file:
        file.write(b"other")

    assert all(sha256_of(path) == sha256 for sha256, path in found.items())


def test_a_file_by_address_is_locked_by_its_bytes_and_fetched_from_there(place: Lockable, registry: Registry) -> None:
    wheel = registry.wheel("by-address", "1.5", ["low"])
    (registry.root / "elsewhere").mkdir()
    wheel = wheel.rename(registry.root / "elsewhere" / wheel.name)
    address = f"by-address @ {registry.url.removesuffix('/simple')}/files/elsewhere/{wheel.name}"

    lock = place.lock(address)
    text = dump_lock(lock)
    place.fetch(lock, place.config(address), cache="empty")

    package = lock.package("by-address")
    assert package is not None
    assert (package.version, package.direct, package.kind) == ("1.5", True, "wheel")
    assert "127.0.0.1" not in text
    assert read_lock(_written(place, lock)) == lock
    assert (place.project.wheelhouse / wheel.name).is_file()


def _written(place: Lockable, lock: Lock) -> Path:
    path = place.project.lock_path(place.version, "linux-x64")
    write_lock(lock, path)
    return path
