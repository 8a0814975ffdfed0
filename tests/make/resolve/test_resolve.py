from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, MissingPackageError, NetworkError
from bundle.model.locks.pylock import dump_lock
from bundle.model.platforms import PLATFORMS
from tests.make.lockable import Lockable, found, pins
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

LINUX = PLATFORMS["linux-x64"]
NATIVE = "cp312-cp312-manylinux_2_28_x86_64"
FOREIGN = "cp312-cp312-win_amd64"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        yield running


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "other")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry)


def test_the_newest_fitting_wheels_are_locked_with_hash_and_size(place: Lockable, registry: Registry) -> None:
    registry.wheel("Top-Level", "1.0", ["low>=1"])
    registry.wheel("low", "1.0")
    wheel = registry.wheel("low", "2.0", tag=NATIVE)
    registry.wheel("low", "2.0", tag=FOREIGN)

    lock = place.lock("Top_Level")

    assert pins(lock) == {"top-level": "1.0", "low": "2.0"}
    low = found(lock, "low")
    assert low.file is not None
    assert (low.file.name, low.file.size) == (wheel.name, wheel.stat().st_size)
    assert (low.kind, low.required_by) == ("wheel", ("top-level",))
    assert found(lock, "top-level").required_by == ("",)
    assert found(lock, "top-level").dependencies == ("low",)


def test_a_version_without_a_fitting_wheel_gives_way_to_an_older_one(place: Lockable, registry: Registry) -> None:
    registry.wheel("low", "1.0")
    registry.wheel("low", "2.0", tag=FOREIGN)
    registry.static_sdist("low", "3.0")

    assert pins(place.lock("low")) == {"low": "1.0"}


def test_the_same_inputs_give_the_same_bytes(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["a", "b", "c"])
    for name in "abc":
        registry.wheel(name, "1.0")

    first = place.lock("top", "c")

    assert dump_lock(place.lock("top", "c")) == dump_lock(first)
    assert dump_lock(place.lock("top", "c", previous=first)) == dump_lock(first)


def test_versions_of_the_last_lock_stay_until_they_are_upgraded(place: Lockable, registry: Registry) -> None:
    registry.wheel("a", "1.0", ["b"])
    registry.wheel("b", "1.0")
    old = place.lock("a")
    registry.wheel("a", "2.0", ["b"])
    registry.wheel("b", "2.0")

    assert pins(place.lock("a", previous=old)) == {"a": "1.0", "b": "1.0"}
    assert pins(place.lock("a", previous=old, upgrade=frozenset({"b"}))) == {"a": "1.0", "b": "2.0"}
    assert pins(place.lock("a", previous=old, upgrade=True)) == {"a": "2.0", "b": "2.0"}


def test_a_skipped_package_disappears_as_a_dependency_too(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["cuda>=99 ; sys_platform == 'linux'", "low"])
    registry.wheel("low", "1.0")
    registry.wheel("cuda", "12.0", ["cuda-runtime"])

    lock = place.lock("top", skip={"cuda": {"linux-x64": "no GPU there"}})

    assert pins(lock) == {"low": "1.0", "top": "1.0"}
    assert [(one.name, one.reason, one.required_by, one.kind) for one in lock.skipped] == [
        ("cuda", "no GPU there", ("top",), "skipped")
    ]
    assert "cuda" not in registry.asked
    assert found(lock, "top").dependencies == ("low",)


def test_an_override_wins_everywhere_and_drags_nothing_in(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low<2", "winonly ; sys_platform == 'win32'"])
    for version in ("1.0", "2.0", "3.0rc1"):
        registry.wheel("low", version)
    registry.wheel("winonly", "1.0")

    lock = place.lock("top", "low==1.0", overrides={"low": "3.0rc1", "winonly": "1.0"})

    assert pins(lock) == {"low": "3.0rc1", "top": "1.0"}


def test_packages_without_dependencies_bring_none(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low", "extra ; extra == 'x'"], extras=["x"])

    assert pins(place.lock("top[x]", noDeps=["top"])) == {"top": "1.0"}


def test_extras_and_markers_are_those_of_the_target(place: Lockable, registry: Registry) -> None:
    registry.wheel(
        "top",
        "1.0",
        ["fast ; extra == 'speed'", "windows ; sys_platform == 'win32'", "linux ; sys_platform == 'linux'"],
        extras=["speed"],
    )
    for name in ("fast", "windows", "linux"):
        registry.wheel(name, "1.0")

    assert pins(place.lock("top[speed]")).keys() == {"top", "fast", "linux"}
    assert pins(place.lock("top", platform="windows-x64")).keys() == {"top", "windows"}


def test_the_first_registry_that_has_a_name_serves_it(place: Lockable, registry: Registry, other: Registry) -> None:
    place.registries["additional"] = [other.url]
    registry.wheel("private", "9.9")
    registry.wheel("public", "1.0")
    other.wheel("private", "1.0")

    assert pins(place.lock("private", "public")) == {"private": "1.0", "public": "1.0"}


def test_an_error_tells_that_the_first_registry_hides_another(
    place: Lockable, registry: Registry, other: Registry
) -> None:
    place.registries["additional"] = [other.url]
    registry.wheel("six", "1.17.0")
    other.wheel("six", "1.15.0")

    with pytest.raises(ConfigError) as caught:
        place.lock("six==1.17.0")

    assert f"{other.url} (versions/3.12.10/config.json:1) is the first registry that has six" in caught.value.what
    assert "the default was not asked" in caught.value.what


def test_a_tied_registry_is_asked_for_its_names_alone_and_nobody_else_for_them(
    place: Lockable, registry: Registry, other: Registry
) -> None:
    place.registries["additional"] = [{"url": other.url, "packages": ["nvidia-*"]}]
    registry.wheel("top", "1.0", ["nvidia-x"])
    registry.wheel("nvidia-x", "9.9")
    other.wheel("nvidia-x", "1.0")
    other.wheel("top", "9.9")

    assert pins(place.lock("top")) == {"nvidia-x": "1.0", "top": "1.0"}
    assert (registry.asked, other.asked) == ({"top"}, {"nvidia-x"})


def test_a_tied_registry_without_its_variable_hurts_only_whoever_needs_it(place: Lockable, registry: Registry) -> None:
    place.registries["additional"] = [{"url": "https://${SOME_INDEX_HOST}/simple", "packages": ["cuda"]}]
    registry.wheel("top", "1.0")
    registry.wheel("gpu", "1.0", ["cuda"])

    assert pins(place.lock("top")) == {"top": "1.0"}
    with pytest.raises(ConfigError, match="SOME_INDEX_HOST"):
        place.lock("gpu")


def test_a_registry_that_fails_is_a_network_error_and_no_missing_wheel(
    place: Lockable, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    registry.wheel("top", "1.0", ["low"])
    registry.wheel("low", "1.0")
    registry.broken = {"low"}

    with pytest.raises(NetworkError) as caught:
        place.lock("top", resolution={"strictMissing": False})
    assert caught.value.exit_code == 3


def test_all_missing_wheels_are_listed_at_once_with_what_exists(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["gone", "old==1.0", "fine"])
    registry.wheel("gone", "1.0", tag=FOREIGN)
    registry.static_sdist("gone", "1.0")
    registry.wheel("old", "1.0", tag="cp27-cp27m-manylinux1_x86_64")
    registry.wheel("old", "2.0")
    registry.wheel("fine", "1.0")

    with pytest.raises(MissingPackageError) as caught:
        place.lock("top")

    details = "\n".join(caught.value.details)
    assert caught.value.exit_code == 1
    assert caught.value.what == "2 packages have no usable file for linux-x64 (3.12.10)."
    assert "gone 1.0: no wheel fits linux-x64; there is an sdist, but nothing allows it" in details
    assert "old 1.0: no wheel fits linux-x64, and there is no sdist" in details
    assert "asked for by: top" in details
    assert "cp312 win_amd64" in details
    assert "  wheels for Python 3.12 exist for: windows-x64" in caught.value.details
    assert "  versions with a usable file here: 2.0" in caught.value.details


def test_without_strictness_a_missing_package_leaves_with_what_depended_on_it(
    place: Lockable, registry: Registry
) -> None:
    registry.wheel("gone", "1.0", tag=FOREIGN)
    registry.wheel("user", "1.0", ["gone", "helper"])
    registry.wheel("helper", "1.0")
    registry.wheel("fine", "1.0")

    lock = place.lock("user", "fine", resolution={"strictMissing": False})

    assert pins(lock) == {"fine": "1.0"}
    assert [(one.name, one.kind, one.required_by) for one in lock.skipped] == [
        ("gone", "missing", ("user",)),
        ("user", "missing", ("",)),
    ]
    assert lock.skipped[0].available == ("cp312 win_amd64",)
    assert len(place.reporter.warnings) == 2


def test_a_missing_dependency_sends_its_parent_to_no_source(place: Lockable, registry: Registry) -> None:
    registry.wheel("parent", "1.0", ["child"])
    registry.static_sdist("parent", "1.0", ["child"])
    registry.static_sdist("child", "1.0")

    lock = place.lock("parent", resolution={"allowSourceList": ["parent"], "strictMissing": False})

    assert not lock.packages
    assert {one.name for one in lock.skipped} == {"parent", "child"}


def test_a_package_that_does_not_exist_is_named_with_who_asks_for_it(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["no-such-thing>=1"])

    with pytest.raises(ConfigError) as caught:
        place.lock("top")

    text = "\n".join([caught.value.what, *caught.value.details])
    assert "No registry has a package 'no-such-thing'; top 1.0 requires it." in text
    assert "127.0.0.1" not in text


def test_a_version_that_does_not_exist_is_answered_with_the_nearest(place: Lockable, registry: Registry) -> None:
    for version in ("1.0", "1.1", "1.3", "2.0", "3.0"):
        registry.wheel("top", version)

    with pytest.raises(ConfigError) as caught:
        place.lock("top==1.2")

    assert caught.value.what == "top has no version that satisfies ==1.2; the nearest are 1.0, 1.1, 1.3, 2.0."


def test_requirements_that_contradict_each_other_are_explained(place: Lockable, registry: Registry) -> None:
    registry.wheel("one", "1.0", ["low<2"])
    registry.wheel("two", "1.0", ["low>=2"])
    registry.wheel("low", "1.0")
    registry.wheel("low", "2.0")

    with pytest.raises(ConfigError, match="contradict") as caught:
        place.lock("one", "two")

    assert caught.value.details[0].startswith("Because ")
    assert "packages.sets" in (caught.value.remedy or "")
    assert "low" in "\n".join(caught.value.details)
    assert "127.0.0.1" not in "\n".join(caught.value.details)


def test_a_newer_python_that_a_version_needs_is_the_reason_given(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", python=">=3.13")
    page = registry.page
    registry.page = lambda name: (page(name) or b"").replace(b"<a ", b'<a data-requires-python="&gt;=3.13" ')  # type: ignore[method-assign]

    with pytest.raises(MissingPackageError) as caught:
        place.lock("top==1.0")

    assert "it needs Python >=3.13, and this is 3.12.10" in caught.value.details[0]
    assert not any("wheels for Python 3.12 exist" in line for line in caught.value.details)
    assert "source build" not in (caught.value.remedy or "")


def test_a_missing_package_comes_before_those_that_it_needs(place: Lockable, registry: Registry) -> None:
    registry.wheel("zoo", "1.0", ["animal"], tag="cp312-cp312-win_amd64")
    registry.wheel("animal", "1.0", tag="cp312-cp312-win_amd64")

    with pytest.raises(MissingPackageError) as caught:
        place.lock("zoo")

    assert [line.split()[0] for line in caught.value.details if not line.startswith(" ")] == ["zoo", "animal"]
    assert "source build" in (caught.value.remedy or "")


def test_a_python_that_only_the_metadata_ask_for_counts_too(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", python=">=3.8")
    registry.wheel("top", "2.0", python=">=3.13")

    assert pins(place.lock("top")) == {"top": "1.0"}


def test_withdrawn_files_count_only_for_an_exact_requirement(place: Lockable, registry: Registry) -> None:
    registry.wheel("low", "1.0")
    registry.yanked = {registry.wheel("low", "2.0").name}

    assert pins(place.lock("low")) == {"low": "1.0"}
    assert place.reporter.warnings == []
    assert pins(place.lock("low==2.0")) == {"low": "2.0"}
    (warning,) = place.reporter.warnings
    assert warning.startswith("low 2.0 was withdrawn by its publisher: broken.")


def test_an_extra_that_a_package_lacks_is_warned_about(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low[Fast.Er]"], extras=["speed"])
    registry.wheel("low", "1.0", extras=["fast-er"])

    place.lock("top[sped]")

    (warning,) = place.reporter.warnings
    assert warning == "top 1.0 has no extra 'sped', which the configuration asks for. Did you mean \"speed\"?"


def test_a_pin_without_a_wheel_among_usable_versions_is_reported_as_missing(
    place: Lockable, registry: Registry
) -> None:
    registry.wheel("top", "1.0", ["low==2.0", "free"])
    registry.wheel("low", "1.0")
    registry.wheel("low", "2.0", tag=FOREIGN)
    registry.wheel("free", "1.0")
    registry.wheel("free", "2.0", tag=FOREIGN)

    with pytest.raises(MissingPackageError) as caught:
        place.lock("top")

    # The other package keeps its usable version: only what nothing else can satisfy is opened.
    assert caught.value.what == "low 2.0 has no usable file for linux-x64 (3.12.10)."


def test_a_file_without_a_hash_is_fetched_and_warned_about(place: Lockable, registry: Registry) -> None:
    wheel = registry.wheel("top", "1.0")
    registry.hashed = False

    lock = place.lock("top")

    file = found(lock, "top").file
    assert file is not None
    assert file.size == wheel.stat().st_size
    assert any("no sha256 for top-1.0" in warning for warning in place.reporter.warnings)


def test_locking_again_works_offline(place: Lockable, registry: Registry) -> None:
    registry.wheel("top", "1.0", ["low"])
    registry.wheel("low", "1.0")
    first = place.lock("top")

    assert dump_lock(place.lock("top", offline=True)) == dump_lock(first)
    with pytest.raises(NetworkError, match="--offline"):
        place.lock("top", "unheard-of", offline=True)
