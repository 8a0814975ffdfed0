from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.files import sha256_of
from bundle.make.resolve.local_pages import LocalPages
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.model.locks.lock import LockedFile
from tests.artifacts.wheelmaker import make_wheel
from tests.make.lockable import LINUX, Lockable
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry)


def files_of(place: Lockable) -> RegistryFiles:
    config = place.config()
    return RegistryFiles(place.context(), config, local=LocalPages(config, LINUX), work=place.root / "work")


def test_a_local_wheel_comes_before_the_registrys_of_the_same_name(place: Lockable, registry: Registry) -> None:
    published = registry.wheel("demo", "1.0")
    registry.wheel("demo", "2.0")
    local = make_wheel(place.root / "versions" / place.version / "wheels", "demo", "1.0", files={"demo.py": "'here'"})
    assert sha256_of(local) != sha256_of(published)

    files = files_of(place)
    page = files.page("demo")

    assert page is not None
    assert [file.filename for file in page.files] == [local.name, "demo-2.0-py3-none-any.whl"]
    assert files.locked(page.files[0]) == LockedFile(
        name=local.name, sha256=sha256_of(local), size=local.stat().st_size
    )


def test_a_file_that_is_locked_is_not_fetched_before_it_is_wanted(place: Lockable, registry: Registry) -> None:
    wheel = registry.wheel("demo", "1.0")
    files = files_of(place)
    page = files.page("demo")
    assert page is not None

    locked = files.locked(page.files[0])

    assert locked == LockedFile(name=wheel.name, sha256=sha256_of(wheel), size=wheel.stat().st_size)
    assert place.context().store.files.get(locked.sha256) is None
    assert files.fetched("demo", locked).read_bytes() == wheel.read_bytes()
    assert place.context().store.files.get(locked.sha256) is not None


def test_an_unknown_name_has_no_page(place: Lockable) -> None:
    assert files_of(place).page("unknown") is None


def test_an_sdist_that_says_all_is_read_and_another_is_a_source_to_be_built(
    place: Lockable, registry: Registry
) -> None:
    registry.static_sdist("static", "1.0", ["low"])
    built = registry.sdist("built", "1.0")
    files = files_of(place)
    pages = [files.page("static"), files.page("built")]
    static, unknown = (page.files[0] for page in pages if page is not None)

    assert b"Requires-Dist: low" in (files.static_metadata(static) or b"")
    assert files.static_metadata(unknown) is None
    assert files.path(unknown).read_bytes() == built.read_bytes()
