from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from bundle.base.errors import ConfigError, MissingPackageError, WorkError
from bundle.make.sources import host
from bundle.model.locks.pylock import dump_lock
from tests.make.lockable import Lockable, found, pins
from tests.make.registry import Registry, serving
from tests.make.sdistmaker import IN_TREE, WRITER

pytestmark = pytest.mark.real

PYTHON = Path(sys.executable)

HOOKS = dedent(
    """
    import pathlib
    def get_requires_for_build_wheel(config_settings=None):
        return ["helper>=2"]
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        import helper
        info = pathlib.Path(folder, "demo-1.0.dist-info")
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\nRequires-Dist: low\\n")
        return info.name
    """
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("low", "1.0")
        running.wheel("helper", "1.0")
        running.wheel("helper", "2.0", ["deeper"])
        running.wheel("deeper", "1.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    return Lockable(tmp_path / "project", registry, version=platform.python_version())


def publish(registry: Registry, hooks: str = HOOKS) -> None:
    registry.sdist("demo", "1.0", {"pyproject.toml": IN_TREE, "in_tree/backend.py": WRITER + hooks})


ALLOWED = {"allowSourceList": ["demo"]}


def test_a_source_tells_what_it_depends_on_and_its_build_is_pinned(place: Lockable, registry: Registry) -> None:
    publish(registry)

    lock = place.lock("demo", python=PYTHON, resolution=ALLOWED)

    demo = found(lock, "demo")
    assert pins(lock) == {"demo": "1.0", "low": "1.0"}
    assert (demo.kind, demo.dependencies) == ("source", ("low",))
    assert [(one.name, one.version) for one in demo.build] == [("deeper", "1.0"), ("helper", "2.0")]
    assert {one.file.sha256 for one in demo.build} <= {file.sha256 for file in lock.files}


def test_an_interpreter_that_is_only_needed_to_ask_a_source_says_so(
    place: Lockable, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ConfigError("No interpreter source has Python 3.12.10 for linux-x64.")

    monkeypatch.setattr(host, "prepare_interpreter", fail)
    publish(registry)

    with pytest.raises(ConfigError) as caught:
        place.lock("demo", platform="linux-aarch64", resolution=ALLOWED)

    assert caught.value.what.endswith("It is needed to ask demo 1.0, which comes as source, what it requires.")


def test_what_a_source_said_once_is_not_asked_again(place: Lockable, registry: Registry) -> None:
    publish(registry)
    first = place.lock("demo", python=PYTHON, resolution=ALLOWED)

    again = place.lock("demo", python=Path("/nowhere/python"), resolution=ALLOWED, offline=True)

    assert dump_lock(again) == dump_lock(first)


def test_pins_of_a_build_stay_like_any_others(place: Lockable, registry: Registry) -> None:
    publish(registry)
    first = place.lock("demo", python=PYTHON, resolution=ALLOWED)
    registry.wheel("helper", "3.0")

    kept = place.lock("demo", python=PYTHON, resolution=ALLOWED, previous=first)
    assert found(kept, "demo").build == found(first, "demo").build

    upgraded = place.lock("demo", python=PYTHON, resolution=ALLOWED, previous=first, upgrade=frozenset({"demo"}))
    assert [one.version for one in found(upgraded, "demo").build] == ["3.0"]


def test_no_build_script_runs_for_a_package_that_may_not_be_built(
    place: Lockable, registry: Registry, tmp_path: Path
) -> None:
    publish(registry, "\nraise SystemExit('the script ran')\n")

    with pytest.raises(MissingPackageError):
        place.lock("demo", python=PYTHON)
    assert not list(tmp_path.rglob("*.log"))

    with pytest.raises(WorkError) as caught:
        place.lock("demo", python=PYTHON, resolution=ALLOWED)
    assert "the script ran" in caught.value.details


def test_a_build_requirement_without_a_wheel_is_told_as_such(place: Lockable, registry: Registry) -> None:
    publish(registry, HOOKS.replace("helper>=2", "sourceonly"))
    registry.sdist("sourceonly", "1.0")

    with pytest.raises(MissingPackageError, match=r"Building demo 1\.0 from source needs packages") as caught:
        place.lock("demo", python=PYTHON, resolution=ALLOWED)

    assert "sourceonly 1.0: no wheel fits linux-x64" in caught.value.details[0]


def test_the_configuration_adds_build_requirements(place: Lockable, registry: Registry) -> None:
    publish(registry, HOOKS.replace('"helper>=2"', "").replace("import helper", ""))
    rule = {"demo": {"linux-x64": {"reason": "it needs help", "buildRequires": ["deeper"]}}}

    lock = place.lock("demo", python=PYTHON, buildWheel=rule)

    demo = found(lock, "demo")
    assert [one.name for one in demo.build] == ["deeper"]
    assert demo.reason == "buildWheel: it needs help"


def test_a_forced_source_takes_its_dependencies_from_a_wheel_of_the_version(
    place: Lockable, registry: Registry
) -> None:
    publish(registry, "")
    registry.wheel("demo", "1.0", ["low"], tag="cp312-cp312-win_amd64")

    lock = place.lock("demo", python=PYTHON, forceSource={"demo": {"linux-x64": "the wheel is slow"}})

    assert found(lock, "demo").dependencies == ("low",)
    assert found(lock, "demo").reason == "forceSource: the wheel is slow"
