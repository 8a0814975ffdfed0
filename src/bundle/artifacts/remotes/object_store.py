"""Object stores as remotes, through fsspec: S3, Google Cloud Storage, Azure Blob Storage.

The catalogue is replaced by a conditional write where the store has them. Elsewhere publishers take turns by tickets:
each writes an object of its own and lists all; only one that sees no other goes on. This needs nothing but listings
that show what was written before, which all these stores have.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from bundle.artifacts.remotes.files import Found
from bundle.artifacts.remotes.remote import CatalogueChangedError, MissingBlobError, Token, TooLargeError
from bundle.base.errors import BundleError, ConfigError, NetworkError
from bundle.base.http.urls import conceal, redact
from bundle.base.staging import host_mark

EXTRAS: Mapping[str, str] = {"s3": "s3", "gs": "gcs", "az": "azure"}
"""The extra of this program that brings the client for each scheme."""

_SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
)

_LOGGERS = ("adlfs", "aiobotocore", "azure", "fsspec", "gcsfs", "google", "s3fs")

_WHOLE = 2**23
"""Bytes up to which a blob is sent in one request."""

_PIECE = 2**24
"""Bytes of a blob that are kept in memory."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
"""Media types of files that browsers read."""

_TYPE_OPTIONS = {"s3": "ContentType", "gs": "content_type"}
"""What the clients call the media type of an object."""

_BOUNDARY = b"--==0=="
"""What gcsfs puts around small content."""

_EXPIRY = 300.0
"""Seconds after which a ticket counts as left behind by a killed publisher."""

_MOMENTS = ("LastModified", "mtime", "last_modified", "updated")
"""Where the clients say when an object was written."""


class ObjectStore:
    """Files in a bucket, or below a path in it.

    Args:
        address: `SCHEME://BUCKET/PATH`.
        environ: whose secrets no message may hold; the clients read the process's own environment.

    Raises:
        ConfigError: the address is incomplete, or holds credentials; or the client is not installed.
    """

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        parts = urlsplit(address)
        if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError(
                f"{redact(address)} is not the address of a bucket.",
                remedy=f"Write it as {parts.scheme}://BUCKET/PATH; credentials come from the environment.",
            )
        for name in _SECRETS:
            conceal(environ.get(name, ""), address)
        self._scheme = parts.scheme
        self._root = f"{parts.netloc}{parts.path}".rstrip("/")

    @property
    def url(self) -> str:
        """The address."""
        return f"{self._scheme}://{self._root}"

    def get(self, path: str, most: int) -> tuple[bytes, str] | None:
        """Return a small file and its ETag; see `Files`."""
        with self._errors():
            try:
                # First the state: if the content changes before it is read, a replacement of that state fails.
                info = self._client.info(self._path(path))
                content: bytes = self._client.cat_file(self._path(path), start=0, end=most + 1)
            except FileNotFoundError:
                return None
        if len(content) > most:
            raise TooLargeError(f"{self.url}/{path}", most)
        return content, _state(info)

    def parts(self, path: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a file; see `Files`."""
        end = first + length
        for start in range(first, end, _PIECE):
            stop = min(start + _PIECE, end)
            with self._errors():
                try:
                    chunk: bytes = self._client.cat_file(self._path(path), start=start, end=stop)
                except FileNotFoundError as error:
                    raise MissingBlobError(f"{self.url}/{path} is missing.") from error
            yield chunk
            if len(chunk) < stop - start:
                return

    def find(self, path: str) -> Found | None:
        """Return the size and the age of a file; see `Files`."""
        with self._errors():
            try:
                info = self._client.info(self._path(path))
            except FileNotFoundError:
                return None
        return None if info["type"] != "file" else self._found(info)

    def touch(self, path: str) -> None:
        """Set the age of a file to zero, by a copy within the store; see `Files`."""
        place = self._path(path)
        with self._errors(), suppress(FileNotFoundError):
            if self._scheme == "s3":
                bucket, _, key = place.partition("/")
                # S3 copies an object onto itself only if something about it changes.
                self._client.call_s3(
                    "copy_object", Bucket=bucket, Key=key, CopySource=place, MetadataDirective="REPLACE"
                )
            else:
                self._client.cp_file(place, place)

    def put(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Write a file; see `Files`."""
        place = self._path(path)
        if size <= _WHOLE:
            content = b"".join(chunks)
            media = _TYPES.get(PurePosixPath(path).suffix)
            options: dict[str, Any] = {}
            if media and self._scheme in _TYPE_OPTIONS:
                options[_TYPE_OPTIONS[self._scheme]] = media
            if self._scheme == "gs" and (content.endswith(b"\r") or _BOUNDARY in content):
                # The client puts small content between boundaries, each after a line feed, and servers take a carriage
                # return before that for a part of the boundary. Content of the length of a chunk is sent alone.
                options["chunksize"] = len(content)
            with self._errors():
                self._client.pipe_file(place, content, **options)
            return
        with self._errors():
            file = self._client.open(place, "wb", block_size=_PIECE)
        try:
            for chunk in chunks:
                with self._errors():
                    file.write(chunk)
            with self._errors():
                file.close()
        except BaseException:
            with suppress(Exception):
                file.discard()
            # Else it would be completed when it is collected.
            file.closed = True
            raise

    def replace(self, path: str, content: bytes, token: Token) -> None:
        """Write a file if its state is still the token's; see `Files`."""
        with self._errors():
            if self._has_conditions:
                condition = {"IfNoneMatch": "*"} if token is None else {"IfMatch": token}
                if not self._written(path, content, condition):
                    raise CatalogueChangedError(f"Another process changed {self.url}/{path}.")
                return
            with self._turn():
                found = self.find(path)
                state = None if found is None else _state(self._client.info(self._path(path)))
                if state != token:
                    raise CatalogueChangedError(f"Another process changed {self.url}/{path}.")
                self._client.pipe_file(self._path(path), content)

    def below(self, folder: str) -> Iterator[Found]:
        """List the files below a folder; see `Files`."""
        with self._errors():
            found = self._client.find(self._path(folder), detail=True)
        yield from (self._found(info) for info in found.values() if info["type"] == "file")

    def remove(self, path: str) -> None:
        """Remove a file; see `Files`."""
        with self._errors(), suppress(FileNotFoundError):
            self._client.rm_file(self._path(path))

    @cached_property
    def _client(self) -> Any:
        try:
            import fsspec

            # Else Python prints what they log, tracebacks of the errors that are handled here included.
            for name in _LOGGERS:
                logging.getLogger(name).addHandler(logging.NullHandler())
            return fsspec.filesystem(self._scheme, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise ConfigError(
                f"{self.url} needs a client that is not installed.",
                remedy=f"pip install 'bundle-toolchain[{EXTRAS[self._scheme]}]'",
            ) from error

    @cached_property
    def _has_conditions(self) -> bool:
        """Whether the store refuses a conditional write whose condition does not hold; some just pass over it."""
        if self._scheme != "s3":
            return False
        probe = [self._written("conditional-writes", b"", {"IfNoneMatch": "*"}) for _ in range(2)]
        return not all(probe)

    def _written(self, path: str, content: bytes, condition: Mapping[str, str]) -> bool:
        """Write a file under a condition; return whether that held."""
        try:
            self._client.pipe_file(self._path(path), content, **condition)
        except FileExistsError:
            return False
        except OSError as error:
            answer = getattr(error.__cause__, "response", {})
            if answer.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
                return False
            raise
        return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Keep other publishers out of the block."""
        name = f"tickets/{host_mark()}-{os.getpid()}-{secrets.token_hex(8)}"
        deadline = time.monotonic() + 2 * _EXPIRY
        while True:
            self._client.pipe_file(self._path(name), b"")
            tickets = list(self.below("tickets"))
            own = next((one for one in tickets if one.path == name), None)
            # By the store's clock alone: both ages were taken at the same moment.
            rivals = [one for one in tickets if own and one is not own and one.age - own.age < _EXPIRY]
            if own and not rivals:
                break
            self.remove(name)
            if time.monotonic() > deadline:
                raise NetworkError(
                    f"{self.url} is busy: other publishers hold tickets/ there.",
                    remedy="Run the same command again; if no publisher runs, remove tickets/ there.",
                )
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - no secret
        try:
            yield
        finally:
            self.remove(name)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _found(self, info: Mapping[str, Any]) -> Found:
        moment = next((info[name] for name in _MOMENTS if info.get(name)), None)
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        age = (datetime.now(UTC) - moment).total_seconds() if isinstance(moment, datetime) else 0.0
        path = str(info["name"]).removeprefix(f"{self._root}/")
        return Found(path=path, size=int(info["size"] or 0), age=age)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of the clients, which have no base in common, into errors that a user can act on."""
        try:
            yield
        except BundleError:
            raise
        except Exception as error:
            raise NetworkError(
                f"{self.url} answered with an error: {redact(str(error) or type(error).__name__)[:500]}",
                cause="The bucket does not exist, or the credentials in the environment do not permit this.",
            ) from error


def _state(info: Mapping[str, Any]) -> str:
    """Return what changes with each write of an object."""
    return str(info.get("ETag") or info.get("etag") or info.get("generation") or info.get("md5Hash") or info["size"])
