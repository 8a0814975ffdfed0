"""The runtime of a session on its worker: found there, or installed from a remote or from the submitter."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.work import Machine, WorkContext
from bundle.base.errors import ConfigError, IntegrityError, InterruptedRunError, error_of
from bundle.base.report import Reporter, Task
from bundle.model.manifest import MANIFEST
from bundle.model.records import from_json
from bundle.run.install.install import Place, install
from bundle.run.install.records import Records
from bundle.run.install.source import Contents, Offer, Source
from bundle.run.install.sources import open_source
from bundle.run.sessions.cluster.offered import PART, Description

_POLL = 0.5


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The bundle whose programs come first in a session."""

    version: str
    """Or a folder of the worker's machine."""
    source: str | None = None
    """Address of the remote that workers without it install it from."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Those of the bundles that the submitter has, by platform; a worker's own one has to have the same."""

    def folder(self, context: WorkContext) -> Path:
        """Return its folder on this worker, after it was installed if it was not there.

        Raises:
            ConfigError: there is none for this machine.
            InterruptedRunError: the work has to end.
            BundleError: it cannot be installed.
        """
        machine = context.machine
        if (Path(self.version) / MANIFEST).is_file():
            return Path(self.version)
        if self.source is not None:
            return self._of_remote(context, self.source)
        if self.digests:
            return self._of_submitter(context)
        try:
            return Records(machine.data).find(self.version).target.path
        except ConfigError as error:
            raise _nowhere(self.version, machine, error.what) from error

    def _of_remote(self, context: WorkContext, address: str) -> Path:
        machine, records = context.machine, Records(context.machine.data)
        if any(one.mark.version == self.version for one in records.all()):
            return records.find(self.version).target.path
        access = Access(environ=machine.environ, reporter=_Stopping(context), data=machine.data)
        return self._installed(open_source(address, access), records, None, context)

    def _of_submitter(self, context: WorkContext) -> Path:
        machine = context.machine
        key = machine.platform.key if machine.platform else ""
        if key not in self.digests:
            raise _nowhere(self.version, machine, f"The submitter has it for {', '.join(self.digests)}.")
        offer = Offer(version=self.version, platform=key, digest=self.digests[key])
        own = Records(machine.root)
        for one in (*Records(machine.data).all(), *own.all()):
            if (one.mark.version, one.mark.platform, one.mark.digest) == (offer.version, key, offer.digest):
                return one.target.path
        # Apart from the installs of the user, and from other bundles of the version that other runs may use.
        target = own.default_target(f"{self.version}-{offer.digest[:16]}")
        return self._installed(_OfSubmitter(context, offer), own, target.path, context)

    def _installed(self, source: Source, records: Records, into: Path | None, context: WorkContext) -> Path:
        machine = context.machine
        if machine.platform is None:
            raise _nowhere(self.version, machine, "The worker's machine is none of the known platforms.")
        place = Place(records=records, into=into, keep_previous=False, machine=machine.platform)
        reporter = _Stopping(context)
        return install(self.version, machine.platform.key, source, place, machine.store, reporter=reporter).path


class _OfSubmitter:
    """A bundle of the submitter as a source; all of it comes through the scheduler, a part at a time."""

    url = "the submitter"
    authenticated = True

    def __init__(self, context: WorkContext, offer: Offer) -> None:
        self._context = context
        self._offer = offer
        self._turn = threading.Lock()

    def is_signed(self) -> bool:
        """Return False: there is no metadata."""
        return False

    def offers(self) -> Sequence[Offer]:
        """Return the one bundle."""
        return (self._offer,)

    def contents(self, offer: Offer) -> Contents:
        """Return what is in the bundle."""
        try:
            told = from_json(Description, json.loads(self._ask({})))
        except (ValueError, TypeError, RecursionError) as error:
            raise IntegrityError(f"What the submitter says of {offer.version} cannot be read: {error}.") from error
        if told.entry.digest != offer.digest:
            raise IntegrityError(f"The submitter describes another bundle than its {offer.version}.")
        return Contents(entry=told.entry, layers=told.layers, archive=told.archives[0] if told.archives else None)

    def read(self, container: str, first: int, length: int) -> bytes:
        """Return some bytes."""
        content = bytearray()
        while len(content) < length:
            left = {"first": first + len(content), "length": min(PART, length - len(content))}
            part = self._ask({"container": container, **left})
            if not isinstance(part, bytes) or not part:
                break
            content += part
        return bytes(content)

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _ask(self, wanted: Mapping[str, Any]) -> Any:
        with self._turn:
            self._context.tell({"wants": {"platform": self._offer.platform, **wanted}})
            while not self._context.stopped.is_set():
                answer = self._context.receive(_POLL)
                if isinstance(answer, dict) and "error" in answer:
                    raise error_of(answer["error"])
                if isinstance(answer, dict) and "do" in answer:
                    break
                if answer is not None:
                    return answer
        raise InterruptedRunError("The run has ended.")


class _Stopping(Reporter):
    """Ends an install when the work has to end."""

    def __init__(self, context: WorkContext) -> None:
        self._stopped = context.stopped

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "items") -> Iterator[Task]:  # noqa: ARG002
        stopped = self._stopped

        class Watched(Task):
            def advance(self, amount: int = 1) -> None:  # noqa: ARG002
                if stopped.is_set():
                    raise InterruptedRunError("The run has ended.")

        yield Watched()


def _nowhere(version: str, machine: Machine, why: str) -> ConfigError:
    key = machine.platform.key if machine.platform else "an unknown platform"
    return ConfigError(
        f"A worker ({key}) has no {version}, and cannot get it.",
        cause=why,
        remedy="Name a remote that has it with --runtime-from; or install it on the worker, or build it here.",
    )
