"""A Dask cluster as a submitter sees it: the connection, its workers, and the work that it runs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.work import Piece
from bundle.base.errors import WorkError
from bundle.base.report import Reporter
from bundle.run.cluster import worker_plugin
from bundle.run.cluster.connection import CONNECT, Scheduler, no_scheduler, require_scheduler
from bundle.run.cluster.library import Tls, checked_address, local_workers, require
from bundle.run.cluster.messages import Finished, Listener
from bundle.run.cluster.resources import WorkerInfo, require_workers, usable
from bundle.run.cluster.submission import Submission

if TYPE_CHECKING:
    from distributed import Client

_POLL = 0.2


class Cluster(Scheduler):
    """A scheduler with its workers; use `connected`."""

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Return the workers that may get work.

        Raises:
            ConfigError: there is none with this version of the program.
            NetworkError: the scheduler does not answer.
        """
        every = self.all_workers()
        found = usable(every, self.address)
        for other in every:
            if other not in found:
                self.reporter.detail(f"{other.name} gets no work: it runs bundle {other.version or 'not at all'}")
        return found

    def require(self, pieces: Sequence[Piece]) -> None:
        """Refuse work that no worker can do.

        Raises:
            ConfigError: there is such work.
        """
        require_workers(pieces, self.workers(), self.address)

    def end(self, runs: Sequence[str]) -> None:
        """End what submitters that were killed have left on workers, before their work is done again.

        Args:
            runs: their names; workers end by themselves what is older than a lease.

        Raises:
            WorkError: something does not end.
            NetworkError: the scheduler does not answer.
        """
        addresses = [one.address for one in usable(self.all_workers(), self.address)]
        deadline = time.monotonic() + self.lease
        for run in runs:
            self.client.run(worker_plugin.end, run, workers=addresses, on_error="ignore")
            while any(self.client.run(worker_plugin.runs, run, workers=addresses, on_error="ignore").values()):
                if time.monotonic() > deadline:
                    raise WorkError(
                        "Tasks of the interrupted run still run on workers.",
                        remedy="Wait until they have ended, or end these workers, and run the same command again.",
                    )
                time.sleep(_POLL)

    def run(self, pieces: Sequence[Piece], listener: Listener) -> Generator[Finished, None, None]:
        """Run pieces of work, and yield each when it has ended, in no certain order.

        A piece whose worker is lost runs once more, on another one. When the iterator is closed, or an error leaves
        it, all that still runs is cancelled.

        Args:
            listener: gets what the pieces say, in the thread that iterates.

        Raises:
            ConfigError: no worker can run one of them.
            NetworkError: the scheduler is gone.
        """
        self.require(pieces)
        with Submission(self, pieces, listener) as submission:
            yield from submission.finished()


@contextmanager
def connected(address: str, tls: Tls, reporter: Reporter, environ: Mapping[str, str], root: Path) -> Iterator[Cluster]:
    """Connect to the scheduler of an address, or start workers on this machine for `local`.

    Args:
        environ: the variables of workers on this machine.
        root: gets their folders.

    Raises:
        ConfigError: the address has not its form, or Dask is not installed.
        NetworkError: there is no scheduler at the address.
    """
    require()
    count = local_workers(address)
    with ExitStack() as stack:
        if count is not None:
            from bundle.run.cluster.local import started

            address, tls = stack.enter_context(started(count, environ, root, reporter))
        client = stack.enter_context(_client(checked_address(address, tls), tls))
        if count is not None:
            from bundle.run.cluster.local import await_workers

            await_workers(client, count)
        yield Cluster(client, address, reporter)


@contextmanager
def _client(address: str, tls: Tls) -> Iterator[Client]:
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    require_scheduler(address, tls)
    try:
        with warnings.catch_warnings():
            # Other releases of Python do no harm, and what another Dask cannot do is told when it fails.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(
                address,
                timeout=CONNECT,
                security=tls.security(),
                set_as_default=False,
                name="bundle",
                direct_to_workers=False,
            )
    except Exception as error:
        raise no_scheduler(address, f"{type(error).__name__}: {error}") from error
    try:
        yield client
    finally:
        client.close(timeout=2)
