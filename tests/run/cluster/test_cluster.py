from __future__ import annotations

import http.server
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundle.artifacts.work import Piece
from bundle.base.errors import ConfigError, IntegrityError, NetworkError, WorkError
from bundle.run.cluster.cluster import Cluster, connected
from bundle.run.cluster.library import Tls
from bundle.run.cluster.messages import Finished, Told
from tests import reporters
from tests.run.cluster.clusters import Grid, environ_of, grid
from tests.run.cluster.works import Effect, Fail, KillsItsWorker, Large, Say

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with grid(tmp_path_factory.mktemp("grid"), 3) as started:
        yield started


@contextmanager
def opened(grid: Grid, reporter: reporters.Told | None = None, *, lease: float = 30.0) -> Iterator[Cluster]:
    with connected(grid.address, Tls(), reporter or reporters.Told(), {}, grid.folder) as cluster:
        cluster.lease = lease
        yield cluster


def all_of(cluster: Cluster, *pieces: Piece) -> tuple[dict[str, Finished], list[Told]]:
    told: list[Told] = []
    return {one.piece.name: one for one in cluster.run(pieces, told.append)}, told


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class TestWork:
    def test_gives_its_value_its_lines_and_its_files(self, three: Grid, tmp_path: Path) -> None:
        with opened(three) as cluster:
            done, told = all_of(cluster, Piece(name="one", work=Say("a\nb"), target=tmp_path))
        assert (done["one"].outcome.value, done["one"].attempts) == ("A\nB", 1)
        assert done["one"].worker.startswith("worker-")
        assert [one.line for one in told] == ["a", "b", None]
        assert told[2].value == {"length": 3}
        assert (tmp_path / "deep" / "text").read_text() == "a\nb" * 3

    def test_brings_files_of_many_parts(self, three: Grid, tmp_path: Path) -> None:
        with opened(three) as cluster:
            all_of(cluster, Piece(name="large", work=Large(2**24 + 256), target=tmp_path))
        assert (tmp_path / "large").read_bytes() == bytes(range(256)) * (2**16 + 1)

    def test_leaves_no_folder_on_workers(self, three: Grid, tmp_path: Path) -> None:
        with opened(three) as cluster:
            all_of(cluster, Piece(name="large", work=Large(2**10), target=tmp_path))
        assert [path.name for path in three.folder.rglob("*attempt-*")] == []

    def test_fails_with_its_own_error(self, three: Grid) -> None:
        with opened(three) as cluster:
            done, _ = all_of(cluster, Piece(name="known", work=Fail(True)), Piece(name="other", work=Fail(False)))
        error = done["known"].outcome.error
        assert isinstance(error, IntegrityError)
        assert (error.what, error.cause, error.details) == ("the bytes differ", "a cause", ("one", "two"))
        other = done["other"].outcome.error
        assert isinstance(other, WorkError)
        assert "ZeroDivisionError: by zero" in other.what

    def test_that_no_worker_can_do_is_refused_at_the_start(self, three: Grid) -> None:
        pieces = [Piece(name="fits", work=Say("a")), Piece(name="windows", work=Say("a"), needs={"platform:moon": 1})]
        with opened(three) as cluster, pytest.raises(ConfigError, match="can run windows") as caught:
            list(cluster.run(pieces, lambda _: None))
        assert caught.value.cause == "None offers platform:moon."
        assert len(caught.value.details) == 3
        assert "build=1" in caught.value.details[0]

    def test_ends_with_its_processes_when_it_is_cancelled(self, three: Grid, tmp_path: Path) -> None:
        effects = tmp_path / "effects"
        pieces = [Piece(name=f"slow-{number}", work=Effect(effects, 3)) for number in range(5)]
        begun = threading.Event()
        with opened(three) as cluster:
            run = cluster.run([Piece(name="quick", work=Effect(effects, 0)), *pieces], lambda _: begun.set())
            next(run)
            run.close()
            after, _ = all_of(cluster, Piece(name="next", work=Effect(effects, 0)))
        assert after["next"].outcome.value == 0
        time.sleep(3.5)
        assert lines_of(effects) == ["quick 1", "next 1"]


class TestAWorker:
    def test_that_is_killed_gives_its_work_to_others(self, tmp_path: Path) -> None:
        effects, reporter = tmp_path / "effects", reporters.Told()
        pieces = [Piece(name=f"task-{number}", work=Effect(effects, 0.1)) for number in range(200)]
        with grid(tmp_path, 3) as started, opened(started, reporter) as cluster:
            ran: Counter[str] = Counter()
            done: dict[str, Finished] = {}
            for one in cluster.run(pieces, lambda told: ran.update([told.worker])):
                done[one.piece.name] = one
                if len(done) == 60:
                    started.workers["worker-2"].kill()
        assert {one.outcome.value for one in done.values()} == {0}
        assert len(done) == 200
        had = Counter(line.split()[0] for line in lines_of(effects))
        assert set(had) == {one.name for one in pieces}
        again = {name for name, one in done.items() if one.attempts > 1}
        assert {name for name, count in had.items() if count > 1} <= again
        assert len(again) == len(reporter.warnings) == 1

    def test_that_is_asked_to_end_gives_its_work_back_and_leaves_nothing(self, tmp_path: Path) -> None:
        effects = tmp_path / "effects"
        pieces = [Piece(name=f"task-{number}", work=Effect(effects, 2)) for number in range(4)]
        with grid(tmp_path, 2) as started, opened(started) as cluster:
            begun = threading.Semaphore(0)
            ended: list[int] = []

            def end() -> None:
                begun.acquire()
                begun.acquire()
                time.sleep(0.3)
                ended.append(started.workers["worker-1"].end())

            thread = threading.Thread(target=end)
            thread.start()
            done = [one.attempts for one in cluster.run(pieces, lambda _: begun.release())]
            thread.join()
            left = list((started.folder / "worker-1").rglob("*attempt-*"))
        assert ended == [0]
        assert sorted(done) == [1, 1, 1, 2]
        assert sorted(line.split()[0] for line in lines_of(effects)) == [one.name for one in pieces]
        assert left == []

    def test_that_no_work_survives_gives_the_work_up(self, tmp_path: Path) -> None:
        with grid(tmp_path, 3) as started, opened(started) as cluster:
            done, _ = all_of(cluster, Piece(name="deadly", work=KillsItsWorker()))
        error = done["deadly"].outcome.error
        assert isinstance(error, WorkError)
        assert "3 workers were lost" in error.what

    def test_that_hears_nothing_of_the_submitter_ends_its_work(self, tmp_path: Path) -> None:
        effects = tmp_path / "effects"
        with grid(tmp_path, 1) as started:
            pid = os.fork()
            if pid == 0:
                with opened(started, lease=3) as cluster:
                    for _ in cluster.run([Piece(name="long", work=Effect(effects, 8))], lambda _: None):
                        pass
                os._exit(0)
            while not list(tmp_path.rglob("*attempt-*")):
                time.sleep(0.1)
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            time.sleep(9)
        assert lines_of(effects) == []

    def test_of_another_version_gets_no_work(self, tmp_path: Path) -> None:
        with grid(tmp_path) as started, opened(started) as cluster:
            started.add("other", version="0.0.1")
            with pytest.raises(ConfigError, match="runs this version of bundle") as caught:
                all_of(cluster, Piece(name="one", work=Say("a")))
            assert "other (bundle 0.0.1-" in caught.value.details[0]
            started.add("same")
            done = [all_of(cluster, Piece(name="one", work=Say("a")))[0]["one"].worker for _ in range(3)]
        assert done == ["same"] * 3

    def test_says_when_there_is_no_scheduler(self, tmp_path: Path) -> None:
        with grid(tmp_path, 1) as started:
            worker = started.workers["worker-1"]
            started.scheduler.kill()
            worker.says("does not answer any more")
            assert worker.process.wait(30) == 3


class TestAScheduler:
    def test_that_goes_is_told(self, tmp_path: Path) -> None:
        effects = tmp_path / "effects"
        pieces = [Piece(name=f"task-{number}", work=Effect(effects, 1)) for number in range(4)]
        with grid(tmp_path, 2) as started, opened(started, lease=3) as cluster:
            run = cluster.run(pieces, lambda _: None)
            next(run)
            started.scheduler.kill()
            with pytest.raises(NetworkError, match="does not answer any more"):
                list(run)

    def test_without_workers_is_refused(self, tmp_path: Path) -> None:
        with grid(tmp_path) as started, opened(started) as cluster, pytest.raises(ConfigError, match="has no worker"):
            all_of(cluster, Piece(name="one", work=Say("a")))

    @pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "tcp://127.0.0.1:{port}"])
    def test_that_is_none_is_told(self, address: str, tmp_path: Path) -> None:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with (
                pytest.raises(NetworkError, match="no Dask scheduler at"),
                connected(address.format(port=server.server_port), Tls(), reporters.Told(), {}, tmp_path),
            ):
                pass
            server.shutdown()


def test_workers_of_this_machine_need_no_address(tmp_path: Path) -> None:
    with connected("local:2", Tls(), reporters.Told(), environ_of(tmp_path), tmp_path) as cluster:
        assert {one.name for one in cluster.workers()} == {"local-1", "local-2"}
        assert cluster.address.startswith("tls://127.0.0.1:")
        done, _ = all_of(cluster, Piece(name="one", work=Say("a")))
    assert done["one"].outcome.value == "A"
