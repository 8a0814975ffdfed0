"""The transfer of one file over HTTP, across several attempts (RFC 9110, section 14)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.http.retry import TransientError

if TYPE_CHECKING:
    from bundle.base.report import Task

_RANGE = re.compile(r"\s*bytes\s+(?:([0-9]{1,15})-[0-9]{1,15}|\*)/([0-9]{1,15}|\*)\s*", re.IGNORECASE)

_LARGEST = 2**36
"""Bytes of a file whose size no server tells."""


def range_start(content_range: str | None) -> int | None:
    """Return the position at which an answer's bytes start by its header `Content-Range`, None if it does not tell."""
    match = _RANGE.fullmatch(content_range or "")
    return int(match[1]) if match and match[1] else None


def range_total(content_range: str | None) -> int | None:
    """Return the size of the whole file by the header `Content-Range`, None if it does not tell."""
    match = _RANGE.fullmatch(content_range or "")
    return int(match[2]) if match and match[2] != "*" else None


def length(headers: Mapping[str, str]) -> int | None:
    """Return the length of an answer's body, None if its headers do not tell."""
    text = headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


class Transfer:
    """Appends the bytes that arrive to a file, hashes them, and knows how many are missing.

    Args:
        file: open for reading and writing at its start; may hold the first bytes already.
        name: of the file, for messages.
        resumable: whether the result is verified, so that first bytes of unknown origin may be used.
        limit: bytes that the whole has, if known.
    """

    def __init__(self, file: BinaryIO, *, name: str, task: Task, resumable: bool, limit: int | None) -> None:
        self.position = 0
        self._digest = hashlib.sha256()
        self._file = file
        self._name = name
        self._task = task
        self._resumable = resumable
        self._limit = limit
        self._end = limit
        self._validator: str | None = None
        while chunk := file.read(2**20):
            self._count(chunk)

    @property
    def sha256(self) -> str:
        """The hash of what is there, as hex."""
        return self._digest.hexdigest()

    @property
    def complete(self) -> bool:
        """Whether everything is there, or the size is unknown."""
        return self._end is None or self.position >= self._end

    def request_headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest, or for all where the rest could belong to another file."""
        # In a compressed answer, positions mean other bytes.
        headers = {"Accept-Encoding": "identity"}
        if self.position and not self._resumable and self._validator is None:
            self.restart()
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
            if self._validator is not None:
                headers["If-Range"] = self._validator
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take the head of an answer with status 200, 206 or 416; False if there is no body to take.

        Raises:
            TransientError: it does not fit the bytes at hand, which are dropped.
        """
        total = range_total(headers.get("Content-Range"))
        if status == 416 and total is not None and total == self.position:
            self._end = total
            return False
        if status == 416 or (status == 206 and range_start(headers.get("Content-Range")) != self.position):
            self.restart()
            raise TransientError(NetworkError(f"{self._name} did not answer with the rest of the part at hand."))
        if status != 206:
            self.restart()
            total = length(headers)
        etag = headers.get("ETag")
        # A weak tag promises the same meaning, not the same bytes (RFC 9110, section 8.8.1).
        self._validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        self._end = self._limit if total is None else total
        if self._end is not None:
            self._task.total(self._end)
        return True

    def write(self, chunk: bytes) -> None:
        """Take some bytes of the body.

        Raises:
            IntegrityError: there are more than the whole has.
        """
        most = next((size for size in (self._limit, self._end) if size is not None), _LARGEST)
        if self.position + len(chunk) > most:
            raise IntegrityError(f"{self._name} is longer than the {most} bytes that it should have.")
        self._file.write(chunk)
        self._count(chunk)

    def restart(self) -> None:
        """Drop the bytes at hand."""
        self._file.seek(0)
        self._file.truncate()
        self._task.advance(-self.position)
        self._digest = hashlib.sha256()
        self.position = 0
        self._validator = None

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.position += len(chunk)
        self._task.advance(len(chunk))
