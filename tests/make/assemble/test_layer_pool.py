from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.assemble.layer_pool import LayerPool
from bundle.make.assemble.layers import Layering
from bundle.model.locks.lock import LockedFile, LockedPackage
from bundle.model.platforms import PLATFORMS
from tests.artifacts.wheelmaker import make_wheel

NAMES = ("one", "two", "three")


@pytest.fixture
def layering(tmp_path: Path) -> Layering:
    store = Store(tmp_path / "store", reporter=Reporter())
    return Layering(store=store, platform=PLATFORMS["linux-x64"], python="3.12.1", reporter=Reporter())


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, Path]:
    return {name: make_wheel(tmp_path, name, "1.0", files={f"{name}/__init__.py": b""}) for name in NAMES}


def package(name: str, wheel: Path) -> LockedPackage:
    file = LockedFile(name=wheel.name, size=wheel.stat().st_size, sha256=sha256_of(wheel))
    return LockedPackage(name=name, version="1.0", kind="wheel", file=file, reason="", required_by=("",))


def test_layers_come_in_the_order_of_the_packages(layering: Layering, wheels: dict[str, Path]) -> None:
    packages = [package(name, wheel) for name, wheel in wheels.items()]
    hashes = {one.name: one.key for one in packages}
    known = {"two": layering.wheel(wheels["two"], sha256=hashes["two"], package=packages[1])}
    with LayerPool(layering, finish=lambda _: None) as pool:
        pool.start(packages[2], wheels["three"], sha256=hashes["three"])
        made = pool.layers(packages, known=known, wheels=wheels, hashes=hashes)

    assert [layer.name for layer in made] == list(NAMES)
    assert made[1] is known["two"]


def test_a_layer_begins_with_its_wheel_and_is_finished_once(layering: Layering, wheels: dict[str, Path]) -> None:
    finished: list[str] = []
    done = Event()

    def finish(layer: Layer) -> None:
        finished.append(layer.name)
        done.set()

    one = package("one", wheels["one"])
    with LayerPool(layering, finish=finish) as pool:
        pool.start(one, wheels["one"], sha256=one.key)
        assert done.wait(60)
        pool.start(one, wheels["one"], sha256=one.key)
        pool.layers([one], known={}, wheels=wheels, hashes={"one": one.key})

    assert finished == ["one"]


def test_the_error_of_a_wheel_is_raised_where_the_layers_are_asked_for(
    layering: Layering, wheels: dict[str, Path]
) -> None:
    packages = [package(name, wheel) for name, wheel in wheels.items()]
    wheels["two"].write_bytes(b"no zip")
    with LayerPool(layering, finish=lambda _: None) as pool:
        pool.start(packages[1], wheels["two"], sha256=packages[1].key)
        with pytest.raises(IntegrityError, match="two"):
            pool.layers(packages[1:], known={}, wheels=wheels, hashes={one.name: one.key for one in packages})
