from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, MissingPackageError
from bundle.base.files import sha256_of
from bundle.model.locks.pylock import read_lock, write_lock
from tests.make.gitmaker import git, make_repository
from tests.make.lockable import Lockable, found
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("low", "1.0")
        running.wheel("demo", "9.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry, version=platform.python_version())


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "upstream")


def address_of(registry: Registry, file: Path) -> str:
    return f"{registry.url.removesuffix('/simple')}/files/{file.parent.name}/{file.name}"


def test_a_git_requirement_is_locked_to_a_commit(upstream: Path, place: Lockable) -> None:
    requirement = f"demo @ git+{upstream.as_uri()}@feature/slash#subdirectory=package"
    second = git(upstream, "rev-parse", "feature/slash")
    # Its one source is allowed by the requirement itself, and never run: everything is in [project].
    lock = place.lock(requirement)

    demo = found(lock, "demo")
    assert demo.vcs is not None
    assert (demo.vcs.commit, demo.vcs.requested, demo.vcs.subdirectory) == (second, "feature/slash", "package")
    assert (demo.kind, demo.version, demo.dependencies) == ("source", "1.0", ("low",))

    (upstream / "newer.txt").write_text("newer")
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "-m", "third")
    assert found(place.lock(requirement, previous=lock), "demo").key == second
    assert found(place.lock(requirement, previous=lock, upgrade=True), "demo").key != second

    path = place.root / "pylock.linux-x64.toml"
    write_lock(lock, path)
    assert read_lock(path) == lock
    place.fetch(lock, place.config(requirement), cache="empty")
    upstream.rename(upstream.with_name("gone"))
    place.fetch(lock, place.config(requirement), cache="empty")


def test_a_source_by_address_that_policy_forbids_is_missing(upstream: Path, place: Lockable) -> None:

    with pytest.raises(MissingPackageError, match="demo"):
        place.lock(f"demo @ git+{upstream.as_uri()}@main#subdirectory=package", resolution={"onlyBinaryList": ["demo"]})


def test_an_address_in_the_metadata_of_a_package_counts_only_if_the_configuration_lists_it(
    upstream: Path, place: Lockable, registry: Registry
) -> None:
    address = f"demo @ git+{upstream.as_uri()}@main#subdirectory=package"
    registry.wheel("early", "1.0", ["demo"])
    registry.wheel("top", "1.0", [address])

    for root in ("early", "demo==9.0"):
        with pytest.raises(ConfigError, match=r"top 1\.0 requires demo from .*, which the configuration does not list"):
            place.lock(root, "top")
    lock = place.lock("early", "top", address)

    assert found(lock, "demo").vcs is not None
    assert found(lock, "demo").required_by == ("", "early", "top")
    assert found(place.lock("early", "top", overrides={"demo": "9.0"}), "demo").vcs is None


def test_a_tied_name_comes_from_its_registry_whatever_metadata_say(
    upstream: Path, place: Lockable, registry: Registry
) -> None:
    registry.wheel("top", "1.0", [f"demo @ git+{upstream.as_uri()}@main#subdirectory=package"])
    place.registries["additional"] = [{"url": registry.url, "packages": ["demo"]}]

    assert found(place.lock("top"), "demo").version == "9.0"


def test_a_name_that_only_an_address_gives_is_refused_for_it(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "0.9")
    registry.wheel("top", "1.0", ["nowhere @ https://files.example/nowhere-1.0.tar.gz"])

    with pytest.raises(ConfigError, match=r"top 1\.0 requires nowhere from https://files\.example/"):
        place.lock("top")


def test_two_addresses_for_one_package_are_refused(upstream: Path, place: Lockable) -> None:
    address = f"demo @ git+{upstream.as_uri()}"

    with pytest.raises(ConfigError, match="two URLs"):
        place.lock(f"{address}@main", f"{address}@v1")


def test_a_wheel_by_address_is_locked_with_its_hash_and_wins_over_the_registry(
    place: Lockable, registry: Registry
) -> None:
    registry.wheel("elsewhere", "1.0", ["low"])
    wheel = (registry.root / "elsewhere").rename(registry.root / "hidden") / "elsewhere-1.0-py3-none-any.whl"
    registry.wheel("elsewhere", "2.0")

    lock = place.lock(f"elsewhere @ {address_of(registry, wheel)}")

    package = found(lock, "elsewhere")
    assert (package.version, package.kind, package.direct, package.dependencies) == ("1.0", "wheel", True, ("low",))
    assert package.file is not None
    assert (package.file.name, package.file.sha256) == (wheel.name, sha256_of(wheel))


def test_a_file_of_another_package_is_refused(place: Lockable, registry: Registry) -> None:
    wheel = registry.wheel("other", "1.0")

    with pytest.raises(ConfigError, match="is other, not mine"):
        place.lock(f"mine @ {address_of(registry, wheel)}")


def test_an_address_of_another_kind_of_file_is_refused(place: Lockable) -> None:
    with pytest.raises(ConfigError, match="neither a wheel nor a source archive"):
        place.lock("mine @ https://index.example/mine.exe")
