from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.make.sources.backend import BuildSpec
from bundle.make.sources.wheel_cache import BuiltCache, built_key
from tests.reporters import Told

RECIPE = BuildSpec(name="Demo", version="1.0", config_settings={"option": ("a", "b")})

MACHINE = {"platform": "linux-x64", "compiler": "gcc 12", "repairer": "auditwheel 6"}


def key_of(spec: BuildSpec = RECIPE, **changes: Any) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "source": "aa",
        "interpreter": "bb",
        "wheels": ["dd", "cc"],
        "machine": MACHINE,
        "epoch": 315532800,
    }
    return built_key(spec, **(values | changes))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    return wheel


@pytest.fixture
def cache(tmp_path: Path) -> BuiltCache:
    return BuiltCache(Store(tmp_path / "store", reporter=Reporter()), reporter=Reporter())


def test_a_wheel_is_found_again_under_everything_that_shaped_it(cache: BuiltCache, wheel: Path) -> None:
    assert cache.get(key_of()) is None
    kept = cache.put(key_of(), wheel)
    assert kept.name == wheel.name
    assert cache.get(key_of(wheels=["cc", "dd"])) == kept


@pytest.mark.parametrize(
    "other",
    [
        key_of(source="other"),
        key_of(interpreter="other"),
        key_of(wheels=["cc"]),
        key_of(replace(RECIPE, environment={"MODE": "ABI"})),
        key_of(replace(RECIPE, files={"header.h": Path(__file__)})),
        key_of(machine=MACHINE | {"compiler": "clang"}),
        key_of(machine=MACHINE | {"repairer": "auditwheel 7"}),
        key_of(machine=MACHINE | {"platform": "linux-aarch64"}),
        key_of(epoch=1),
        key_of(replace(RECIPE, version="1.1")),
        key_of(replace(RECIPE, config_settings={"option": "a"})),
        key_of(replace(RECIPE, build_requires=("cython",))),
    ],
)
def test_whatever_shapes_a_build_makes_it_another(cache: BuiltCache, wheel: Path, other: Mapping[str, Any]) -> None:
    cache.put(key_of(), wheel)
    assert cache.get(other) is None


@pytest.mark.parametrize("damaged", ["changed", "missing"])
def test_a_damaged_wheel_is_reported_and_replaced(tmp_path: Path, wheel: Path, damaged: str) -> None:
    reporter = Told()
    cache = BuiltCache(Store(tmp_path / "store", reporter=reporter), reporter=reporter)
    kept = cache.put(key_of(), wheel)
    if damaged == "missing":
        kept.unlink()
    else:
        kept.write_text("damaged")
    assert cache.get(key_of()) is None
    assert len(reporter.warnings) == (damaged == "changed")
    assert cache.obtain(key_of(), lambda: wheel).read_bytes() == b"wheel"


def test_a_wheel_keeps_its_name_where_another_file_has_the_same_bytes(
    tmp_path: Path, cache: BuiltCache, wheel: Path
) -> None:
    Store(tmp_path / "store", reporter=Reporter()).files.add(wheel, filename="a-1.0.zip")
    cache.put(key_of(), wheel)
    found = cache.get(key_of())
    assert found is not None
    assert found.name == wheel.name


def test_the_same_is_built_once_however_many_want_it(cache: BuiltCache, wheel: Path) -> None:
    built = []

    def build() -> Path:
        built.append(1)
        return wheel

    threads = [Thread(target=lambda: cache.obtain(key_of(), build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, cache: BuiltCache) -> None:
    def build() -> Path:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.obtain(key_of(), build)
    assert cache.get(key_of()) is None
