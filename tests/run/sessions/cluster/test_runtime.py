from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from bundle.artifacts.work import Machine
from bundle.base.errors import ConfigError, IntegrityError, InterruptedRunError
from bundle.model.platforms import PLATFORMS, Platform
from bundle.run.sessions.cluster.offered import PART, Built, Offered, offered
from bundle.run.sessions.cluster.runtime import Runtime
from tests.artifacts.trees import File
from tests.run.install.shipped import LINUX, SITE, VERSION, WHEELS, Shop
from tests.run.install.shipped import Machine as Target


class Offering(Protocol):
    def __call__(self, shop: Shop, target: Target, *, built: bool = True) -> Offered: ...


@dataclass
class Attempt:
    """The attempt of a session on a worker whose submitter answers at once."""

    target: Target
    bundles: Offered
    platform: Platform | None = LINUX
    name: str = "session-1"
    attempt: int = 1
    folder: Path = Path("unused")
    results: Path = Path("unused")
    stopped: threading.Event = field(default_factory=threading.Event)
    wanted: list[Mapping[str, Any]] = field(default_factory=list)
    changed: Callable[[Any], Any] = lambda answer: answer
    """What becomes of an answer on its way."""
    _inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        root = self.target.root
        self.machine = Machine(
            platform=self.platform, environ={}, store=self.target.store, data=root / "data", root=root / "workers"
        )

    def say(self, line: str) -> None:
        raise AssertionError(line)

    def tell(self, value: Any) -> None:
        self.wanted.append(value["wants"])
        self._inbox.put(self.changed(self.bundles.answer(value["wants"])))

    def receive(self, seconds: float) -> Any:
        return self._inbox.get(timeout=seconds)

    @property
    def parts(self) -> int:
        """Bytes that were asked for."""
        return sum(one.get("length", 0) for one in self.wanted)


@pytest.fixture
def own(tmp_path: Path) -> Target:
    """The submitter's machine."""
    return Target(tmp_path / "own")


@pytest.fixture
def offer() -> Iterator[Offering]:
    """Give what a submitter has of the bundles in a shop, or has installed."""
    with ExitStack() as stack:

        def found(shop: Shop, target: Target, *, built: bool = True) -> Offered:
            catalogue = Built(root=shop.folder, catalogue=shop.folder / "catalogue.json") if built else None
            bundles = offered(VERSION, target.records, catalogue, target.store, target.access())
            stack.callback(bundles.close)
            return bundles

        yield found


def runtime(bundles: Offered) -> Runtime:
    return Runtime(version=VERSION, digests=bundles.digests)


class TestTheSubmittersBundle:
    def test_that_was_built_there_is_installed(self, offer: Offering, shop: Shop, own: Target, machine: Target) -> None:
        shop.build()
        attempt = Attempt(machine, offer(shop, own))
        folder = runtime(attempt.bundles).folder(attempt)
        assert (folder / SITE / "six.py").read_bytes() == b"moves = 1\n" * 99
        assert machine.scratch() == []
        assert list(machine.records.all()) == []

    def test_that_was_installed_there_is_installed(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        own.install(shop.folder)
        attempt = Attempt(machine, offer(shop, own, built=False))
        assert (runtime(attempt.bundles).folder(attempt) / SITE / "six.py").is_file()

    def test_that_was_installed_from_an_archive_is_made_of_its_files(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        own.install_archive(shop.archive())
        assert not (own.root / "cache" / "layers").exists()
        attempt = Attempt(machine, offer(shop, own, built=False))
        assert (runtime(attempt.bundles).folder(attempt) / SITE / "six.py").is_file()

    def test_that_was_changed_there_is_not_sent(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        own.install_archive(shop.archive())
        (own.target.path / SITE / "six.py").write_text("changed")
        attempt = Attempt(machine, offer(shop, own, built=False))
        with pytest.raises(IntegrityError, match="not as they were installed"):
            runtime(attempt.bundles).folder(attempt)

    def test_comes_without_the_layers_that_the_worker_has(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        first = Attempt(machine, offer(shop, own))
        runtime(first.bundles).folder(first)
        shop.build({**WHEELS, "other 1.0": {f"{SITE}/other.py": File(b"x" * 50)}})
        second = Attempt(machine, offer(shop, own))
        assert runtime(second.bundles).folder(second) != runtime(first.bundles).folder(first)
        assert 0 < second.parts < first.parts

    def test_is_asked_for_once(self, offer: Offering, shop: Shop, own: Target, machine: Target) -> None:
        shop.build()
        bundles = offer(shop, own)
        attempts = [Attempt(machine, bundles) for _ in range(4)]
        found: list[Path] = []
        threads = [
            threading.Thread(target=lambda one=one: found.append(runtime(bundles).folder(one))) for one in attempts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len({*found}) == 1
        assert sum(one.parts > 0 for one in attempts) == 1

    def test_is_the_workers_own_where_that_is_the_same(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        machine.install(shop.folder)
        attempt = Attempt(machine, offer(shop, own))
        assert runtime(attempt.bundles).folder(attempt) == machine.target.path
        assert attempt.wanted == []

    def test_of_several_parts_comes_in_parts(self, offer: Offering, shop: Shop, own: Target, machine: Target) -> None:
        content = os.urandom(PART + 1000)
        shop.build({"large 1.0": {f"{SITE}/large.py": File(content)}})
        attempt = Attempt(machine, offer(shop, own))
        assert (runtime(attempt.bundles).folder(attempt) / SITE / "large.py").read_bytes() == content
        assert max(one.get("length", 0) for one in attempt.wanted) <= PART

    def test_goes_on_where_it_was_interrupted(self, offer: Offering, shop: Shop, own: Target, machine: Target) -> None:
        shop.build({f"large{one} 1.0": {f"{SITE}/large{one}.py": File(os.urandom(2**20))} for one in range(4)})
        first = Attempt(machine, offer(shop, own))

        def stopping(answer: Any) -> Any:
            if first.parts > 2**21:
                first.stopped.set()
            return answer

        first.changed = stopping
        with pytest.raises(InterruptedRunError):
            runtime(first.bundles).folder(first)
        assert not (machine.root / "workers" / "installed").exists() or machine.scratch() == []
        second = Attempt(machine, first.bundles)
        assert (runtime(second.bundles).folder(second) / SITE / "large3.py").is_file()
        assert second.parts < 2**22

    def test_that_arrives_with_other_bytes_is_refused(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        attempt = Attempt(machine, offer(shop, own))
        attempt.changed = lambda answer: b"x" * len(answer) if isinstance(answer, bytes) else answer
        with pytest.raises(IntegrityError):
            runtime(attempt.bundles).folder(attempt)
        assert machine.scratch() == []

    def test_that_is_another_than_was_promised_is_refused(
        self, offer: Offering, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        attempt = Attempt(machine, offer(shop, own))
        with pytest.raises(IntegrityError, match="another bundle"):
            Runtime(version=VERSION, digests={LINUX.key: "0" * 64}).folder(attempt)

    @pytest.mark.parametrize("platform", [PLATFORMS["windows-x64"], None])
    def test_for_another_platform_is_told(
        self, offer: Offering, platform: Platform | None, shop: Shop, own: Target, machine: Target
    ) -> None:
        shop.build()
        attempt = Attempt(machine, offer(shop, own), platform)
        with pytest.raises(ConfigError, match="and cannot get it") as caught:
            runtime(attempt.bundles).folder(attempt)
        assert caught.value.cause == "The submitter has it for linux-x64."

    def test_is_all_that_a_worker_may_read(self, offer: Offering, shop: Shop, own: Target) -> None:
        shop.build()
        (shop.folder / "secret").write_text("secret")
        bundles = offer(shop, own)
        for wanted in (
            {"container": "secret", "first": 0, "length": 9},
            {"container": "../dist/secret", "first": 0, "length": 9},
            {"container": f"{VERSION}-linux-x64.tar.zst", "first": "x", "length": 9},
        ):
            assert "error" in bundles.answer({"platform": LINUX.key, **wanted})
        assert "error" in bundles.answer({"platform": "moon"})
        assert "error" in bundles.answer({})

    def test_is_none_of_a_folder(self, shop: Shop, own: Target) -> None:
        shop.build()
        own.install(shop.folder)
        assert offered(str(own.target.path), own.records, None, own.store, own.access()).digests == {}


class TestARemote:
    def test_is_where_the_bundle_is_installed_from(self, shop: Shop, machine: Target) -> None:
        shop.build()
        attempt = Attempt(machine, Offered({}))
        folder = Runtime(version=VERSION, source=str(shop.publish())).folder(attempt)
        assert folder == machine.root / "data" / "installed" / VERSION
        assert attempt.wanted == []

    def test_is_not_asked_for_what_the_worker_has(self, shop: Shop, machine: Target) -> None:
        shop.build()
        machine.install(shop.folder)
        attempt = Attempt(machine, Offered({}))
        assert Runtime(version=VERSION, source="http://127.0.0.1:9/").folder(attempt) == machine.target.path


def test_a_worker_without_the_bundle_says_the_ways_out(machine: Target) -> None:
    with pytest.raises(ConfigError, match="cannot get it") as caught:
        Runtime(version=VERSION).folder(Attempt(machine, Offered({})))
    assert "--runtime-from" in caught.value.remedy


def test_a_folder_of_the_workers_is_used_as_it_is(shop: Shop, machine: Target) -> None:
    shop.build()
    folder = shop.folder / VERSION / LINUX.key
    assert Runtime(version=str(folder)).folder(Attempt(machine, Offered({}))) == folder
    assert replace(Runtime(version=str(folder)), source="x").folder(Attempt(machine, Offered({}))) == folder
