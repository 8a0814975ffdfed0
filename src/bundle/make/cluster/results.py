"""The files of a build on their way through a remote: each is a blob, which workers send and the submitter reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bundle.artifacts.remotes.addresses import Access, open_remote, open_writable
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.artifacts.work import WorkContext
from bundle.base.errors import ConfigError, IntegrityError, InterruptedRunError
from bundle.base.filenames import climbs
from bundle.base.files import CHUNK, sha256_of
from bundle.base.http.urls import redact
from bundle.base.report import Reporter
from bundle.base.staging import staged_file

Sent = Mapping[str, Blob]
"""Blobs by the paths of the files."""


def results_remote(location: str, access: Access) -> tuple[str, ReadableRemote]:
    """Return the remote that results come back through, and its address on all machines.

    Args:
        location: an address, or the path of a folder.

    Raises:
        ConfigError: it cannot be written, or its address has credentials, which would go to the workers.
        NetworkError: it needs the network, which may not be used.
    """
    url = location if "://" in location else str(Path(location).expanduser().absolute())
    if redact(url) != url:
        raise ConfigError(
            f"{redact(url)} holds credentials, which would go to the workers.",
            remedy="Leave them out; each machine takes them from its own environment.",
        )
    open_writable(url, access)
    return url, open_remote(url, access)


def send_results(files: Mapping[str, Path], url: str, context: WorkContext) -> Sent:
    """Store files in a remote, with the credentials of this machine.

    Raises:
        InterruptedRunError: the work has to end.
        NetworkError: the remote does not answer.
    """
    machine = context.machine
    remote = open_writable(url, Access(environ=machine.environ, reporter=Reporter(), data=machine.data))
    sent = {name: Blob(sha256=sha256_of(path), size=path.stat().st_size) for name, path in files.items()}
    lacking = remote.lacking(sent.values())
    remote.renew(blob for blob in sent.values() if blob not in lacking)
    for name, blob in sent.items():
        if blob in lacking:
            remote.send(blob, partial(_chunks, files[name], context))
    return sent


def fetch_results(sent: Sent, remote: ReadableRemote, folder: Path) -> None:
    """Bring the files that a worker has sent into a folder, each whole or not at all.

    Raises:
        MissingBlobError: the remote does not hold one.
        IntegrityError: it has other bytes, or a file would leave the folder.
    """
    for name, blob in sorted(sent.items()):
        if climbs("", name):
            raise IntegrityError(f"A worker names a result {name!r:.80}.")
        with staged_file(folder / name) as staging:
            digest = hashlib.sha256()
            with staging.open("wb") as file:
                for chunk in remote.read(blob):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != blob.sha256:
                raise IntegrityError(
                    f"{remote.url} has other bytes of {name} than its worker has sent.",
                    remedy="Run the same command again; if it happens again, find out who changes the remote.",
                )


def _chunks(path: Path, context: WorkContext) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if context.stopped.is_set():
                raise InterruptedRunError("The run has ended.")
            yield chunk
