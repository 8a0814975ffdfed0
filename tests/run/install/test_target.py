from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, WorkError
from bundle.run.install import target as module
from bundle.run.install.target import Mark, Target
from tests.reporters import Told

NAMES = ("one", "two", "three")


def mark_of(name: str, tree: Path) -> Mark:
    from bundle.base.files import sha256_of

    manifest = sha256_of(tree / "bundle.json")
    return Mark(version=name, platform="linux-x64", digest="d" * 64, manifest=manifest, source="file:///x")


def put(target: Target, name: str, *, keep: bool = False) -> None:
    target.path.parent.mkdir(exist_ok=True)
    with target.changing(Told()):
        with target.staging() as tree:
            (tree / "bundle.json").write_text(name)
            mark = mark_of(name, tree)
        target.put(mark, keep=keep)


def has(target: Target, name: str) -> bool:
    return target.mark is not None and target.mark.version == name == (target.path / "bundle.json").read_text()


@pytest.fixture(params=["exchange", "no exchange"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    if request.param == "no exchange":
        monkeypatch.setattr(module, "exchange", lambda *_: False)
    return Target(tmp_path / "opt" / "demo")


def test_an_install_is_replaced_and_kept_only_if_asked(target: Target) -> None:
    put(target, "one")
    put(target, "two")
    assert has(target, "two")
    assert target.previous is None
    put(target, "three", keep=True)
    assert has(target, "three")
    assert target.previous is not None
    assert target.previous.version == "two"


def test_a_rollback_exchanges_the_two(target: Target) -> None:
    put(target, "one")
    put(target, "two", keep=True)
    for current, kept in (("one", "two"), ("two", "one")):
        with target.changing(Told()):
            assert target.rollback().version == current
        assert has(target, current)
        assert target.previous is not None
        assert target.previous.version == kept


def test_without_a_kept_one_there_is_no_rollback(target: Target) -> None:
    put(target, "one")
    with target.changing(Told()), pytest.raises(WorkError, match="No earlier bundle"):
        target.rollback()


def test_what_was_removed_leaves_nothing(target: Target) -> None:
    put(target, "one")
    put(target, "two", keep=True)
    with target.changing(Told()):
        target.remove()
    assert [*target.path.parent.iterdir()] == []


def test_a_failure_leaves_nothing(target: Target) -> None:
    target.path.parent.mkdir()
    with pytest.raises(ZeroDivisionError), target.changing(Told()), target.staging():
        raise ZeroDivisionError
    assert [*target.path.parent.iterdir()] == []


def test_a_failed_upgrade_leaves_the_install(target: Target) -> None:
    put(target, "one")
    with pytest.raises(ZeroDivisionError), target.changing(Told()), target.staging():
        raise ZeroDivisionError
    assert has(target, "one")


class Killed(BaseException):
    """Ends a change as a kill does: nothing in it is undone."""


STEPS = ("write_atomically", "exchange", "remove_whole", "remove_tree")


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_change_that_is_killed_at_any_step_is_finished_or_undone(
    target: Target, monkeypatch: pytest.MonkeyPatch, keep: bool, first: bool, tmp_path: Path
) -> None:
    for step in range(30):
        here = Target(tmp_path / f"opt{step}" / "demo")
        if not first:
            put(here, "one")
        with monkeypatch.context() as patch:
            killed = _killing(patch, step)
            with suppress(Killed):
                put(here, "two", keep=keep)
        # Before the next run, the folder is an install, or there is none.
        assert not here.path.exists() or has(here, (here.path / "bundle.json").read_text())
        put(here, "three", keep=True)
        assert has(here, "three")
        left = {path.name for path in here.path.with_name(".demo.bundle").iterdir()}
        assert left <= {"installed.json", "previous", "previous.json"}
        if not killed():
            break
    else:
        pytest.fail("the change has more steps")


def _killing(patch: pytest.MonkeyPatch, step: int) -> Callable[[], bool]:
    """Kill before a step, or behind it: a step is a function that changes the disk."""
    count = 0

    def wrap(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step + 1:
                raise Killed
            return function(*arguments, **options)

        return call

    for name in STEPS:
        patch.setattr(module, name, wrap(getattr(module, name)))
    patch.setattr(Path, "rename", wrap(Path.rename))
    return lambda: count > step


def test_a_folder_that_was_changed_into_something_else_is_not_replaced(target: Target) -> None:
    put(target, "one")
    (target.path / "bundle.json").write_text("other")
    with pytest.raises(ConfigError, match="is no install of bundle"):
        put(target, "two")
    assert (target.path / "bundle.json").read_text() == "other"


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is no install of bundle"):
        put(Target(tmp_path / "file"), "one")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
