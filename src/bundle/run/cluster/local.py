"""A cluster on this machine: a scheduler in this process, and workers that differ from others in nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.scratch import scratch_folder
from bundle.base.errors import WorkError
from bundle.base.processes.supervised import Limits, Supervised
from bundle.base.report import Reporter
from bundle.run.cluster.library import Tls

if TYPE_CHECKING:
    from distributed import Client

_START = 60
"""Seconds until all workers are there."""


@contextmanager
def started(count: int, environ: Mapping[str, str], root: Path, reporter: Reporter) -> Iterator[tuple[str, Tls]]:
    """Run a scheduler and workers while the block runs; yield its address.

    The connections are encrypted with keys of their own: else other users of this machine could run their code as
    this one.

    Args:
        count: the number of workers; 0: one for each processor.
    """
    import dask
    from distributed import LocalCluster, Security

    security = Security.temporary()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(root, name="local"))
        folder.chmod(0o700)
        tls = _written(security, folder)
        # Else the scheduler would use a folder of the temporary one that belongs to its first user.
        stack.enter_context(dask.config.set({"temporary-directory": str(folder)}))
        scheduler = stack.enter_context(
            LocalCluster(
                n_workers=0,
                host="127.0.0.1",
                protocol="tls",
                security=security,
                dashboard_address="127.0.0.1:0",
                silence_logs=False,
                local_directory=str(folder),
            )
        )
        address: str = scheduler.scheduler_address
        files = ("--tls-ca-file", tls.ca_file, "--tls-cert", tls.cert, "--tls-key", tls.key)
        command = (sys.executable, "-P", "-m", "bundle", "worker", address, "--root", folder, "--slots", "1", *files)
        limits = Limits(processes=None)
        for number in range(count or os.cpu_count() or 1):
            said = partial(_say, reporter)
            named = (*map(str, command), "--name", f"local-{number + 1}")
            worker = Supervised(named, env=dict(environ), cwd=folder, limits=limits, output=said)
            stack.callback(worker.wait, 20)
            stack.callback(worker.stop)
        yield address, tls


def await_workers(client: Client, count: int) -> None:
    """Wait until all workers are there.

    Raises:
        WorkError: they are not.
    """
    try:
        client.wait_for_workers(count or os.cpu_count() or 1, timeout=_START)
    except TimeoutError as error:
        raise WorkError(
            "The workers on this machine did not start.", remedy="Run again with --verbose, which shows what they say."
        ) from error


def _written(security: object, folder: Path) -> Tls:
    """Write keys that are in memory into files that only this user reads."""
    paths = []
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(getattr(security, name), encoding="ascii")
        paths.append(path)
    return Tls(ca_file=paths[0], cert=paths[1], key=paths[2])


def _say(reporter: Reporter, output: bytes) -> None:
    for line in output.decode(errors="replace").splitlines():
        reporter.detail(line)
