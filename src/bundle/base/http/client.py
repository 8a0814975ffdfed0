"""Downloads with retries, resumption and verification; the one place that speaks HTTP."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.files import copy_hashed, locked, sha256_of
from bundle.base.http.body import LARGEST_DOCUMENT, chunks
from bundle.base.http.ranges import Part, SizedReader, open_ranges
from bundle.base.http.responses import Answer, Conditional, NotFoundError, UnreachableError, no_answer, raise_for
from bundle.base.http.retry import TransientError, retried
from bundle.base.http.transfer import Transfer, length, range_total
from bundle.base.http.urls import CredentialStore, local_path, origin, redact, split_credentials
from bundle.base.staging import staged_file

if TYPE_CHECKING:
    import requests

    from bundle.base.report import Reporter

__all__ = ["Answer", "Conditional", "Downloader", "NotFoundError", "UnreachableError", "redact"]

_T = TypeVar("_T")

_CONNECT = 5.0
"""Seconds that a host may take to accept a connection."""

_PIECE = 2**24
"""Bytes of a part that are asked for at once, and kept in memory."""

_PROGRESS = 2**20
"""Bytes that an attempt must have brought to count as progress."""


class Downloader:
    """Gets files from http(s):// and file:// addresses; may be used by several threads.

    Credentials come from `credentials` or a netrc file. They are in no message, and follow no redirection to another
    scheme, host or port. A transfer may take `deadline` seconds, and more only at a useful pace.

    Args:
        offline: whether the network is forbidden.
        environ: where credentials and the CA bundle may be named.
        retries: further attempts after a failure that may pass.
        timeout: seconds without a byte after which a connection counts as dead.
        backoff: seconds before the first retry; twice as many before each further one.
        parallel: requests at the same time.
    """

    def __init__(
        self,
        *,
        reporter: Reporter,
        offline: bool = False,
        environ: Mapping[str, str],
        retries: int = 4,
        timeout: float = 30.0,
        backoff: float = 0.5,
        parallel: int = 8,
    ) -> None:
        self.offline = offline
        self.parallel = parallel
        self._reporter = reporter
        self._environ = environ
        self._retries = retries
        self._timeout = timeout
        self._backoff = backoff
        self._slots = threading.BoundedSemaphore(parallel)
        self.credentials = CredentialStore(environ)
        self.deadline = 1800.0
        self._answering: set[str] = set()
        self._whole: dict[str, SizedReader] = {}
        self._loading: dict[str, threading.Lock] = {}

    def get(
        self, url: str, *, accept: str | None = None, cached: Conditional | None = None, most: int | None = None
    ) -> Answer:
        """Return what is at an address.

        Args:
            accept: the media types wanted (RFC 9110, section 12.5.1).
            cached: the validators of a cached answer; if that is still right the answer is 304 without content.
            most: bytes that it may have; None for those of the largest document.

        Raises:
            NotFoundError: there is nothing.
            NetworkError: there is no answer, an error, or more.
            ConfigError: the URL is of another kind.
        """
        path = local_path(url)
        if path is not None:
            with _open_local(path, url) as file:
                return Answer(url=url, status=200, headers={}, content=file.read())
        headers = {"Accept-Encoding": "gzip"} | ({} if accept is None else {"Accept": accept})
        if cached is not None and cached.etag:
            headers["If-None-Match"] = cached.etag
        elif cached is not None and cached.modified:
            headers["If-Modified-Since"] = cached.modified

        def attempt() -> Answer:
            with self._request("GET", url, headers) as response:
                return Answer(
                    url=split_credentials(response.url, {})[0],
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=b"".join(self._chunks(response, limit=LARGEST_DOCUMENT if most is None else most)),
                )

        return self._retried(attempt)

    def size(self, url: str) -> int | None:
        """Return how many bytes are at an address, None if the server does not tell.

        Raises:
            NotFoundError: there is nothing.
            NetworkError: there is no answer, or an error.
        """
        path = local_path(url)
        if path is not None:
            with _open_local(path, url) as file:
                return file.size

        def attempt() -> int | None:
            headers = {"Accept-Encoding": "identity"}
            with self._request("HEAD", url, headers, allowed=(405, 501)) as response:
                return length(response.headers) if response.ok else None

        return self._retried(attempt)

    def fetch(
        self, url: str, target: Path, *, sha256: str | None, size: int | None = None, label: str | None = None
    ) -> str:
        """Download a file: whole and verified, or not at all.

        What arrived before a network failure stays in `<target>.part`, and the next call goes on from there. Several
        processes that want the same file share one download. A target with the right hash is left as it is.

        Args:
            target: the file that appears or is replaced; missing folders are made.
            sha256: its hash; if None nothing is verified, and no earlier part is used.
            size: how many bytes it must have, if known.
            label: its name in the progress display; the target's name if None.

        Returns:
            The SHA-256 of the file, as hex.

        Raises:
            IntegrityError: the bytes are others than promised.
            NotFoundError: there is no such file.
            NetworkError: there is no answer, or an error.
        """
        expected = None if sha256 is None else sha256.lower()
        path = local_path(url)
        if path is not None:
            with _open_local(path, url) as source, staged_file(target) as staging:
                with staging.open("wb") as file:
                    actual, count = copy_hashed(source, file)
                _verify(url, actual, count, expected, size)
            return actual
        self._require_network(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock")
        with locked(lock, reporter=self._reporter, what=f"the download of {target.name}"):
            if expected is not None and target.is_file() and sha256_of(target) == expected:
                _forget(lock)
                return expected
            try:
                actual = self._fetch(url, target, expected, size, label or target.name)
            except IntegrityError:
                _forget(lock)
                raise
            if expected is not None:
                # Processes that still wait for the removed file find the target complete.
                _forget(lock)
        return actual

    def open(self, url: str) -> SizedReader:
        """Open a file to read parts of it, such as the directory of a wheel, without loading the rest.

        Where the server cannot answer with parts, the whole file is loaded first.

        Raises:
            NotFoundError: there is no such file.
            NetworkError: there is no answer, or an error; also from reading.
        """
        path = local_path(url)
        if path is not None:
            return _open_local(path, url)
        opened = open_ranges(partial(self._range, url), partial(self.size, url), url)
        return opened or self._open_whole(url)

    def read(self, url: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a file, in pieces; a file that ends earlier gives fewer bytes.

        Where the server cannot answer with parts, the whole file is loaded once, and kept for further parts.

        Raises:
            NotFoundError: there is no such file.
            NetworkError: there is no answer, or an error.
        """
        end = first + length
        for start in range(first, end, _PIECE):
            wanted = min(_PIECE, end - start)
            part = None if url in self._whole else self._range(url, f"{start}-{start + wanted - 1}")
            content = self._kept_whole(url).part(start, wanted) if part is None else part.content
            yield content
            if len(content) < wanted:
                return

    def _kept_whole(self, url: str) -> SizedReader:
        """Return a file that was loaded whole, once for all of its parts."""
        with self._loading.setdefault(url, threading.Lock()):
            if url not in self._whole:
                self._whole[url] = self._open_whole(url)
            return self._whole[url]

    def _open_whole(self, url: str) -> SizedReader:
        with tempfile.TemporaryFile() as file:
            _, count = self._download(url, file, resumable=False, limit=None, label=redact(url))
            file.seek(0)
            return SizedReader(io.FileIO(os.dup(file.fileno())), count)

    def _fetch(self, url: str, target: Path, expected: str | None, size: int | None, label: str) -> str:
        part = target.with_name(f"{target.name}.part")
        while True:
            # Without a hash an old part could belong to another file of the same name.
            resumed = expected is not None and part.exists() and part.stat().st_size > 0
            try:
                with part.open("r+b" if resumed else "w+b") as file:
                    resumable = expected is not None
                    actual, count = self._download(url, file, resumable=resumable, limit=size, label=label)
                _verify(url, actual, count, expected, size)
            except IntegrityError:
                part.unlink()
                if not resumed:
                    raise
                self._reporter.detail(
                    f"{label}: the partial file of an earlier run does not match; downloading it again."
                )
            else:
                part.replace(target)
                return actual

    def _download(self, url: str, file: BinaryIO, *, resumable: bool, limit: int | None, label: str) -> tuple[str, int]:
        """Fill a file, going on behind what it holds; return the SHA-256 of all of it, and its size."""
        with self._reporter.task(label, total=limit, unit="bytes") as task:
            transfer = Transfer(file, name=redact(url), task=task, resumable=resumable, limit=limit)

            def attempt() -> None:
                before = transfer.position
                try:
                    with self._request("GET", url, transfer.request_headers(), allowed=(416,)) as response:
                        if transfer.begin(response.status_code, response.headers):
                            for chunk in self._chunks(response):
                                transfer.write(chunk)
                    if not transfer.complete:
                        raise TransientError(NetworkError(f"{redact(url)} broke off after {transfer.position} bytes."))
                except TransientError as error:
                    error.progress = transfer.position - before >= _PROGRESS
                    raise

            self._retried(attempt)
            file.flush()
            return transfer.sha256, transfer.position

    def _range(self, url: str, wanted: str) -> Part | None:
        """Return a range of a file, None if the server answers with no ranges."""

        def attempt() -> Part | None:
            headers = {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
            with self._request("GET", url, headers, allowed=(416, 501)) as response:
                size = range_total(response.headers.get("Content-Range"))
                if size == 0:
                    return Part(content=b"", size=0, etag=None)
                if response.status_code != 206 or size is None:
                    return None
                first, _, last = wanted.partition("-")
                limit = int(last) - int(first or 1) + 1
                content = b"".join(self._chunks(response, limit=limit))
                return Part(content=content, size=size, etag=response.headers.get("ETag"))

        return self._retried(attempt)

    def _chunks(self, response: requests.Response, *, limit: int | None = None) -> Iterator[bytes]:
        return chunks(response, redact(response.url), deadline=self.deadline, limit=limit)

    def _retried(self, attempt: Callable[[], _T]) -> _T:
        def in_turn() -> _T:
            with self._slots:
                return attempt()

        return retried(in_turn, retries=self._retries, backoff=self._backoff, reporter=self._reporter)

    @contextmanager
    def _request(
        self, method: str, url: str, headers: Mapping[str, str], *, allowed: tuple[int, ...] = (), data: Any = None
    ) -> Iterator[requests.Response]:
        """Give the response to a request; failures of the network in the block become this module's errors."""
        self._require_network(url)
        import requests
        from urllib3.exceptions import HTTPError

        bare, credentials = self.credentials.of(url)
        try:
            with self._session.request(
                method,
                bare,
                headers=dict(headers),
                data=data,
                auth=credentials,
                timeout=(min(_CONNECT, self._timeout), self._timeout),
                stream=True,
                allow_redirects=True,
            ) as response:
                self._answering.add(origin(url))
                if response.status_code >= 400 and response.status_code not in allowed:
                    raise_for(url, response.status_code, response.reason or "", response.headers)
                yield response
        except (requests.RequestException, HTTPError) as error:
            known = no_answer(error, url, connect=min(_CONNECT, self._timeout), timeout=self._timeout)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                known.cause = "Its certificate is not trusted here."
                known.remedy = "Name the file with your organisation's CA certificates in REQUESTS_CA_BUNDLE."
                raise known from error
            if isinstance(error, (requests.TooManyRedirects, requests.exceptions.InvalidSchema, ValueError)):
                raise known from error
            if isinstance(known, UnreachableError) and origin(url) not in self._answering:
                # A host that is not there at all must not hold up the work, such as by another interpreter source.
                raise TransientError(known, retries=0 if known.certain else 1) from error
            raise TransientError(known) from error

    @cached_property
    def _session(self) -> requests.Session:
        from bundle.base.http.session import Session

        return Session(
            self._environ,
            connections=self.parallel,
            configured=self.credentials.configured,
            deadline=lambda: self.deadline,
        )

    def _require_network(self, url: str) -> None:
        if self.offline:
            raise NetworkError(
                f"{redact(url)} is needed, and --offline forbids the network.",
                cause="It is not in the cache of this machine.",
                remedy="Run once without --offline, or copy the cache (BUNDLE_CACHE_DIR) from a machine that has it.",
            )


def _open_local(path: Path, url: str) -> SizedReader:
    if not path.is_file():
        raise NotFoundError(f"{redact(url)} " + ("is a folder, not a file." if path.is_dir() else "does not exist."))
    return SizedReader(io.FileIO(path), path.stat().st_size)


def _forget(lock: Path) -> None:
    with suppress(PermissionError):  # Windows removes no open file.
        lock.unlink(missing_ok=True)


def _verify(url: str, actual: str, count: int, expected: str | None, size: int | None) -> None:
    if expected is not None and actual != expected:
        raise IntegrityError(
            f"{redact(url)} is not the expected file: its SHA-256 is {actual}, not {expected}.",
            cause="The file was replaced after it was locked, or a proxy changes it.",
        )
    if size is not None and count != size:
        raise IntegrityError(f"{redact(url)} has {count} bytes, not {size}.")
