"""The connection to a scheduler, and the errors for one that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from bundle.base.errors import NetworkError
from bundle.base.report import Reporter
from bundle.run.cluster.fence import LEASE
from bundle.run.cluster.library import Tls
from bundle.run.cluster.resources import WorkerInfo, workers_of

if TYPE_CHECKING:
    from distributed import Client

CONNECT = 10.0
"""Seconds to reach a scheduler."""


class Scheduler:
    """A connection to a scheduler."""

    def __init__(self, client: Client, address: str, reporter: Reporter, *, lease: float = LEASE) -> None:
        self.client = client
        self.address = address
        self.reporter = reporter
        self.lease = lease

    def all_workers(self) -> tuple[WorkerInfo, ...]:
        """Return all workers, those of other versions too.

        Raises:
            NetworkError: the scheduler does not answer.
        """
        try:
            # `scheduler_info` may answer from a cache without the workers.
            told = self.client.sync(cast(Any, self.client.scheduler).identity, n_workers=-1)
            return workers_of(told["workers"])
        except Exception as error:
            raise unreachable(self.address) from error


def require_scheduler(address: str, tls: Tls) -> None:
    """Check that a Dask scheduler answers at an address; Dask itself would wait for ever for a peer that says nothing.

    Raises:
        ConfigError: the files for encryption cannot be used.
        NetworkError: it does not.
    """
    options = tls.connection()
    try:
        told = asyncio.run(asyncio.wait_for(_identity(address, options), CONNECT))
    except Exception as error:
        # A peer that is no scheduler fails in as many ways as there are protocols.
        raise no_scheduler(address, _first_line(error)) from error
    if told != "Scheduler":
        raise no_scheduler(address, f"a Dask {told} answers")


async def _identity(address: str, options: Mapping[str, Any]) -> Any:
    from distributed.comm.core import connect

    comm = await connect(address, timeout=CONNECT, **options)
    try:
        await comm.write({"op": "identity", "n_workers": 0, "reply": True})
        told = await comm.read()
        return told.get("type") if isinstance(told, dict) else None
    finally:
        comm.abort()


def no_scheduler(address: str, why: str) -> NetworkError:
    """Return the error for a scheduler that cannot be reached."""
    return NetworkError(
        f"There is no Dask scheduler at {address}, or it does not answer: {why}",
        cause="The address is wrong, the scheduler is not running, or it wants other certificates.",
        remedy="Check the address: `dask scheduler` prints it when it starts.",
    )


def unreachable(address: str) -> NetworkError:
    """Return the error for a scheduler that was there."""
    return NetworkError(
        f"The scheduler {address} does not answer any more.",
        cause="It was ended, or the connection is gone.",
        remedy="Start it again with its workers, and run the same command again; what is done stays done.",
    )


def _first_line(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return f"nothing in {CONNECT:.0f} s"
    if isinstance(error, MemoryError):
        return "what answers speaks something else"  # Its first bytes were taken for a length.
    return (str(error).splitlines() or [type(error).__name__])[0]
