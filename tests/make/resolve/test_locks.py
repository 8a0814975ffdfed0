from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError
from bundle.make.resolve.locks import examine_lock, left_over, require_known, required_lock, update_lock
from bundle.make.sources.host import BuildHost
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from tests.make.lockable import LINUX, Lockable, pins
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
    return Lockable(tmp_path / "project", registry)


def path_of(place: Lockable) -> Path:
    return place.project.lock_path(place.version, "linux-x64")


def required(place: Lockable, config: Config, *, locked: bool = False) -> Lock:
    context = place.context()
    with BuildHost(context=context, config=config, platform=LINUX, logs=place.root / "logs") as host:
        return required_lock(host, context.lock_status(config, LINUX), locked=locked)


def test_a_build_writes_the_lock_that_is_missing_or_stale(place: Lockable) -> None:
    assert pins(required(place, place.config("low"))) == {"low": "1.0"}
    assert pins(read_lock(path_of(place))) == {"low": "1.0"}

    assert pins(required(place, place.config("top"))) == {"low": "1.0", "top": "1.0"}
    assert read_lock(path_of(place)) == required(place, place.config("top"), locked=True)


@pytest.mark.parametrize(("before", "state"), [(None, "missing"), ("low", "stale")])
def test_a_locked_build_refuses_to_write(place: Lockable, before: str | None, state: str) -> None:
    if before is not None:
        required(place, place.config(before))

    with pytest.raises(ConfigError, match=f"is {state}, and --locked forbids writing it"):
        required(place, place.config("top"), locked=True)


def test_a_build_refuses_a_lock_that_was_edited_and_an_update_writes_it_anew(place: Lockable) -> None:
    config = place.config("low")
    required(place, config)
    text = path_of(place).read_text()
    path_of(place).write_text(text.replace("a compatible wheel", "because"))

    with pytest.raises(IntegrityError, match="edited by hand"):
        required(place, config)
    update = update_lock(place.context(), place.context().lock_status(config, LINUX))

    assert (update.status.state, update.written) == ("edited", True)
    assert path_of(place).read_text() == text
    assert any("It is written again." in warning for warning in place.reporter.warnings)


def test_a_fresh_lock_is_left_alone_unless_it_is_upgraded(place: Lockable, registry: Registry) -> None:
    config = place.config("low")
    required(place, config)
    registry.wheel("low", "2.0")
    context = place.context()
    status = context.lock_status(config, LINUX)

    assert not update_lock(context, status).written
    upgraded = update_lock(context, status, upgrade=frozenset({"low"}))

    assert upgraded.written
    assert pins(read_lock(path_of(place))) == {"low": "2.0"}


def test_an_examination_tells_what_would_be_lost_and_writes_nothing(place: Lockable, registry: Registry) -> None:
    required(place, place.config("top"))
    before = path_of(place).read_text()
    config = place.config("top", skip={"low": {"linux-x64": "too large"}})
    context = place.context()

    update = examine_lock(context, context.lock_status(config, LINUX))

    assert [(loss.name, loss.now.decision) for loss in update.lost] == [("low", "skipped")]
    assert path_of(place).read_text() == before


def test_a_lock_that_cannot_be_made_is_an_outcome_of_its_update(place: Lockable) -> None:
    config = place.config("unheard-of")
    context = place.context()

    update = update_lock(context, context.lock_status(config, LINUX))

    assert update.lock is None
    assert update.error is not None
    assert "unheard-of" in update.error.what
    assert not path_of(place).exists()


def test_only_packages_of_the_locks_can_be_upgraded(place: Lockable) -> None:
    config = place.config("top")
    required(place, config)

    require_known(place.context(), [config], {"top", "low"})
    with pytest.raises(ConfigError, match="--upgrade lwo: no lock"):
        require_known(place.context(), [config], {"lwo"})


def test_a_lock_for_a_platform_that_was_given_up_is_left_over(place: Lockable) -> None:
    config = place.config("top")
    required(place, config)
    assert left_over(place.context(), config) == []

    (place.root / "versions" / place.version / "config.json").write_text('{"platforms": ["windows-x64"]}')
    given_up = place.project.load(place.version, {}).config

    assert left_over(place.context(), given_up) == [(LINUX, path_of(place))]


def test_sets_are_resolved_without_regard_to_each_other(place: Lockable, registry: Registry) -> None:
    for version in ("1", "2"):
        registry.wheel("shared", version)
    sets = {"old": {"dependencies": ["shared<2"]}, "new": {"dependencies": ["shared"]}}
    config = place.config("top", sets=sets)
    context = place.context()
    updates = [update_lock(context, context.lock_status(one, LINUX)) for one in config.members]
    found = {one.lock.set_name: [str(package.version) for package in one.lock.packages] for one in updates if one.lock}
    assert (found["old"], found["new"]) == (["1"], ["2"])
    assert all(context.lock_status(one, LINUX).state == "fresh" for one in config.members)
    # A lock in the place of another set's is stale.
    old, new = (place.project.lock_path(place.version, LINUX.key, name) for name in ("old", "new"))
    old.write_bytes(new.read_bytes())
    assert [context.lock_status(one, LINUX).state for one in config.members] == ["fresh", "fresh", "stale"]
    require_known(context, [config], {"shared"})
    # A set that is gone leaves its lock.
    del sets["old"]
    assert left_over(context, place.config("top", sets=sets)) == [(LINUX, old)]
