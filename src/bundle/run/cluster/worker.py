"""A worker: one process that takes work from a scheduler until it is asked to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.scratch import scratch_folder
from bundle.artifacts.work import Machine
from bundle.base.report import Reporter
from bundle.base.staging import sweep_staging
from bundle.run.cluster.connection import no_scheduler, require_scheduler, unreachable
from bundle.run.cluster.library import Tls, checked_address, is_loopback, require
from bundle.run.cluster.worker_plugin import AttemptRunner

if TYPE_CHECKING:
    from distributed import Worker

_CONNECT = 15.0
"""Seconds to reach the scheduler."""

_PATIENCE = 20.0
"""Seconds for work to end when the worker is asked to."""

_TOLD = 0.5
"""Seconds until the scheduler has the last results."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What the person who starts a worker decides."""

    address: str
    """The scheduler's."""
    machine: Machine
    """Its root gets the folders of work."""
    resources: Mapping[str, float]
    slots: int = 1
    name: str | None = None
    host: str | None = None
    """Address that it listens at; None: that of the network in which the scheduler is."""
    tls: Tls = field(default_factory=Tls)


def work(settings: WorkerSettings, reporter: Reporter) -> None:
    """Take work until a signal asks for the end; what runs then is ended with all its processes, and given back.

    Raises:
        ConfigError: the address has not its form, or Dask is not installed.
        NetworkError: there is no scheduler, or it is gone.
    """
    require()
    checked_address(settings.address, settings.tls)
    settings.machine.root.mkdir(parents=True, exist_ok=True)
    sweep_staging(settings.machine.root)
    require_scheduler(settings.address, settings.tls)
    with scratch_folder(settings.machine.root, name="worker") as folder:
        asyncio.run(_serve(settings, folder, reporter))


async def _serve(settings: WorkerSettings, folder: Path, reporter: Reporter) -> None:
    from distributed import Status, Worker

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(asked.set))
    runner = AttemptRunner(folder, settings.machine)
    host = settings.host or ("127.0.0.1" if is_loopback(settings.address) else None)
    try:
        worker = Worker(
            settings.address,
            nthreads=settings.slots,
            name=settings.name or f"{os.uname().nodename if hasattr(os, 'uname') else 'worker'}-{os.getpid()}",
            host=host,
            resources=dict(settings.resources),
            plugins=(runner.plugin(),),
            local_directory=str(folder),
            security=settings.tls.security(),
            death_timeout=_CONNECT,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
        await worker
    except Exception as error:
        raise no_scheduler(settings.address, f"{type(error).__name__}: {error}") from error
    reporter.info(f"{worker.name} takes work from {settings.address}, listening at {worker.address}")
    ended = asyncio.ensure_future(worker.finished())
    await asyncio.wait([ended, asyncio.ensure_future(asked.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not asked.is_set():
        await asyncio.to_thread(runner.close, patience=_PATIENCE)
        raise unreachable(settings.address)
    worker.status = Status.closing_gracefully  # The scheduler gives it nothing more.
    await asyncio.to_thread(runner.close, patience=_PATIENCE)
    await _leave(worker)
    reporter.info(f"{worker.name} has ended")


async def _leave(worker: Worker) -> None:
    with suppress(Exception):  # A scheduler that is gone as well.
        await asyncio.sleep(_TOLD)
        # Others take the results that nobody has fetched yet.
        leaving = worker.scheduler.retire_workers(workers=[worker.address], close_workers=False, remove=True)
        await asyncio.wait_for(leaving, _PATIENCE)
    with suppress(Exception):
        await asyncio.wait_for(worker.close(timeout=2, nanny=False), 5)
