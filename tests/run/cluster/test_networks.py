from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundle.artifacts.work import Piece
from bundle.run.cluster.cluster import Cluster, connected
from bundle.run.cluster.library import Tls
from bundle.run.cluster.messages import Finished
from bundle.run.cluster.messages import Told as Said
from tests.reporters import Told
from tests.run.cluster.clusters import grid
from tests.run.cluster.networks import Host, network
from tests.run.cluster.works import Effect

pytestmark = pytest.mark.real

SOON = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s"}
"""Has the scheduler give connections up soon."""


@contextmanager
def spread(folder: Path, reporter: Told) -> Iterator[tuple[Cluster, dict[str, Host]]]:
    """Run three workers, each in a network namespace of its own; a lost one's work begins again after a few seconds."""
    with network(3) as machines, grid(folder, host=machines.address, environ=SOON) as started:
        hosts = {f"worker-{number + 1}": host for number, host in enumerate(machines.hosts)}
        for name, host in hosts.items():
            started.add(name, enter=host.enter(), environ=SOON)
        with connected(started.address, Tls(), reporter, {}, folder) as cluster:
            cluster.lease = 4.0
            yield cluster, hosts


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_work_of_a_worker_whose_link_is_cut_is_done_again_once_it_has_ended(tmp_path: Path) -> None:
    effects, reporter = tmp_path / "effects", Told()
    with spread(tmp_path, reporter) as (cluster, hosts):
        cut: list[str] = []
        joined = threading.Event()

        def cut_it(said: Said) -> None:
            if said.piece.name == "long" and not cut:
                cut.append(said.worker)
                hosts[said.worker].cut()

                def join() -> None:
                    hosts[said.worker].join()
                    joined.set()

                threading.Timer(15, join).start()

        pieces = [Piece(name="long", work=Effect(effects, 10))]
        pieces += [Piece(name=f"short-{number}", work=Effect(effects, 0.5)) for number in range(20)]
        done: dict[str, Finished] = {one.piece.name: one for one in cluster.run(pieces, cut_it)}
        assert joined.wait(30)
        time.sleep(5)
    assert {one.outcome.value for one in done.values()} == {0}
    assert Counter(line.split()[0] for line in lines_of(effects)) == Counter({one.name: 1 for one in pieces})
    assert done["long"].attempts == 2
    assert done["long"].worker != cut[0]
    assert "long 2" in lines_of(effects)
    assert [one for one in reporter.warnings if "is lost" in one]


def test_a_result_that_comes_late_is_refused_and_told(tmp_path: Path) -> None:
    effects, reporter = tmp_path / "effects", Told()
    with spread(tmp_path, reporter) as (cluster, hosts):
        cut: list[str] = []

        def cut_it(said: Said) -> None:
            if not cut:
                cut.append(said.worker)
                hosts[said.worker].cut()
                threading.Timer(14, hosts[said.worker].join).start()

        # It has its effect while the link is cut, and before its lease has run out.
        (done,) = cluster.run([Piece(name="quick", work=Effect(effects, 1.5))], cut_it)
        time.sleep(5)
    assert done.outcome.value == 0
    assert (done.attempts, done.worker != cut[0]) == (2, True)
    assert lines_of(effects) == ["quick 1", "quick 2"]
    assert [one for one in reporter.warnings if "quick" in one and "is lost" in one]
