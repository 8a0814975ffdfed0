from __future__ import annotations

from typing import Any

import pytest

from bundle.artifacts.work import Piece
from bundle.base.errors import ConfigError
from bundle.model.platforms import PLATFORMS
from bundle.run.cluster.resources import identity, require_workers, resources_of, usable, workers_of

LINUX = resources_of(PLATFORMS["linux-x64"], 4, {})


def told(**workers: dict[str, float]) -> dict[str, Any]:
    return {f"tcp://{name}:1": {"name": name, "resources": resources} for name, resources in workers.items()}


def nothing(context: object) -> None:
    return None


def piece(name: str, **needs: float) -> Piece:
    return Piece(name=name, work=nothing, needs=needs)


def test_a_worker_serves_its_own_platform() -> None:
    (one,) = workers_of(told(one=LINUX))
    assert one.platforms == ("linux-x64",)
    assert str(one).endswith("build=1, platform:linux-x64=1, session=4, session:linux-x64=4")


def test_a_worker_of_an_unknown_machine_serves_none() -> None:
    (one,) = workers_of(told(one=resources_of(None, 1, {"GPU": 2})))
    assert one.platforms == ()
    assert one.has({"GPU": 2, "build": 1})
    assert not one.has({"GPU": 3})


@pytest.mark.parametrize("name", ["session", "build", "platform:windows-x64", "bundle:1"])
def test_resources_of_ours_cannot_be_named(name: str) -> None:
    with pytest.raises(ConfigError, match="sets it itself"):
        resources_of(PLATFORMS["linux-x64"], 1, {name: 1})


def test_workers_of_other_versions_are_left_out() -> None:
    workers = workers_of(told(own=LINUX, old={"bundle:0.0.1-00000000": 4.0}, plain={}))
    assert [one.name for one in usable(workers, "tcp://s:1")] == ["own"]


def test_no_worker_of_this_version_is_an_error_that_names_the_others() -> None:
    workers = workers_of(told(old={"bundle:0.0.1-00000000": 4.0}, plain={}))
    with pytest.raises(ConfigError, match=identity().removeprefix("bundle:")) as caught:
        usable(workers, "tcp://s:1")
    assert caught.value.details == ("old (bundle 0.0.1-00000000): nothing", "plain (bundle unknown): nothing")


def test_no_worker_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="has no worker"):
        usable((), "tcp://s:1")


def test_work_that_no_worker_can_do_is_refused() -> None:
    workers = workers_of(told(one=LINUX))
    with pytest.raises(ConfigError, match="No worker of tcp://s:1 can run b") as caught:
        require_workers([piece("a", build=1), piece("b", **{"platform:windows-x64": 1})], workers, "tcp://s:1")
    assert caught.value.cause == "None offers platform:windows-x64."
    assert "platform:linux-x64=1" in caught.value.details[0]


def test_what_no_single_worker_has_together_is_refused() -> None:
    windows = resources_of(PLATFORMS["windows-x64"], 1, {})
    workers = workers_of(told(one=LINUX, two=windows))
    with pytest.raises(ConfigError, match="can run a") as caught:
        require_workers([piece("a", **{"platform:windows-x64": 1, "session": 4})], workers, "tcp://s:1")
    assert caught.value.cause == "No single worker has all that they need together."


def test_a_worker_without_the_libraries_of_sessions_takes_builds_alone() -> None:
    (one,) = workers_of(told(one=resources_of(PLATFORMS["linux-x64"], 4, {}, sessions=False)))
    assert str(one).endswith(": build=1, platform:linux-x64=1")
    with pytest.raises(ConfigError, match="can run a"):
        require_workers([piece("a", session=1)], (one,), "tcp://s:1")
