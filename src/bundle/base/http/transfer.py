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

_RANGE = re.compile(r"\s*bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)\s*", re.IGNORECASE)


def range_start(content_range: str | None) -> int | None:
    """Return the position at which an answer's bytes start, None if it does not tell.

    Args:
        content_range: the header `Content-Range`.
    """
    match = _RANGE.fullmatch(content_range or "")
    return int(match[1]) if match and match[1] else None


def range_total(content_range: str | None) -> int | None:
    """Return the size of the whole that an answer is a part of, None if it does not tell.

    Args:
        content_range: the header `Content-Range`.
    """
    match = _RANGE.fullmatch(content_range or "")
    return int(match[2]) if match and match[2] != "*" else None


def length(headers: Mapping[str, str]) -> int | None:
    """Return the length of an answer's body, None if it does not tell.

    Args:
        headers: of the answer.
    """
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


class Transfer:
    """Writes what arrives behind what is there, hashes it, and knows what is missing.

    Args:
        file: open for reading and writing at its start; what it holds is the beginning of what is wanted.
        name: of the file, for messages.
        task: advanced with every byte.
        resumable: whether the result is verified, so that a beginning of unknown origin may be used.
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
        """Whether everything is there, as far as anybody said how much that is."""
        return self._end is None or self.position >= self._end

    def request_headers(self) -> dict[str, str]:
        """Return what to ask for: the rest, where the rest is sure to belong to what is there."""
        # What is compressed on the way has other positions.
        headers = {"Accept-Encoding": "identity"}
        if self.position and not self._resumable and self._validator is None:
            self.restart()
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
            if self._validator is not None:
                headers["If-Range"] = self._validator
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take the head of an answer; False if there is no body to take.

        Args:
            status: 200, 206 or 416.
            headers: of the answer.

        Raises:
            TransientError: it does not fit what is there, which is forgotten.
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
        self._file.write(chunk)
        self._count(chunk)
        if self._limit is not None and self.position > self._limit:
            raise IntegrityError(f"{self._name} is longer than the {self._limit} bytes that it should have.")

    def restart(self) -> None:
        """Forget what is there."""
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
