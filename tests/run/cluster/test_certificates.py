from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.artifacts.work import Piece
from bundle.base.errors import NetworkError
from bundle.run.cluster.cluster import connected
from bundle.run.cluster.library import Tls
from tests import reporters
from tests.run.cluster.certificates import Authority, options_of
from tests.run.cluster.clusters import Grid, grid
from tests.run.cluster.works import Large

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Secured:
    """A scheduler with certificates, and a worker."""

    authority: Authority
    grid: Grid


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("grid")
    authority = Authority.new(folder / "authority")
    secure = ("--protocol", "tls", *options_of(authority.issue("scheduler")))
    with grid(folder, 0, *secure) as started:
        started.add("worker", *options_of(authority.issue("worker")))
        yield Secured(authority, started)


def test_work_and_its_results_go_over_encrypted_connections(secured: Secured, tmp_path: Path) -> None:
    assert secured.grid.address.startswith("tls://")
    tls = secured.authority.issue("submitter")
    with connected(secured.grid.address, tls, reporters.Told(), {}, tmp_path) as cluster:
        (done,) = cluster.run([Piece(name="large", work=Large(2**23), target=tmp_path)], lambda _: None)
    assert done.outcome.error is None
    assert (tmp_path / "large").stat().st_size == 2**23


def test_a_submitter_of_another_authority_is_refused(secured: Secured, tmp_path: Path) -> None:
    other = Authority.new(tmp_path / "other").issue("submitter")
    with (
        pytest.raises(NetworkError, match="no Dask scheduler at"),
        connected(secured.grid.address, other, reporters.Told(), {}, tmp_path),
    ):
        pass


def test_a_certificate_that_has_expired_is_refused(secured: Secured, tmp_path: Path) -> None:
    expired = secured.authority.issue("expired", days=-1)
    # The scheduler's word "expired" is lost where its end of the connection is closed before it is read.
    with (
        pytest.raises(NetworkError, match="no Dask scheduler at") as caught,
        connected(secured.grid.address, expired, reporters.Told(), {}, tmp_path),
    ):
        pass
    assert "certificates" in str(caught.value.cause)


def test_an_address_that_says_it_is_not_encrypted_finds_nothing(secured: Secured, tmp_path: Path) -> None:
    plain = secured.grid.address.replace("tls://", "tcp://")
    with (
        pytest.raises(NetworkError, match="no Dask scheduler at"),
        connected(plain, Tls(), reporters.Told(), {}, tmp_path),
    ):
        pass


def test_a_worker_of_another_authority_gets_no_work(secured: Secured, tmp_path: Path) -> None:
    other = Authority.new(tmp_path / "other").issue("worker")
    with pytest.raises(AssertionError, match="There is no Dask scheduler at"):
        secured.grid.add("stranger", *options_of(other))
    assert secured.grid.workers["stranger"].process.wait(30) == 3
