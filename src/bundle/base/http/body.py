"""Bodies of responses, bounded in length and in time: a server may send without end."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bundle.base.errors import NetworkError
from bundle.base.http.responses import TooLongError
from bundle.base.http.retry import TransientError

if TYPE_CHECKING:
    import requests

LARGEST_DOCUMENT = 100 * 10**6
"""Bytes of a document that is kept in memory; the largest pages of registries have 30 MB."""

_SLOWEST = 2**14
"""Bytes in a second at which a transfer may go on beyond its deadline."""


def chunks(response: requests.Response, name: str, *, deadline: float, limit: int | None = None) -> Iterator[bytes]:
    """Yield a body as it arrives, decompressed if it has a limit.

    Args:
        name: of what it is, for messages.
        deadline: seconds that it may take; more only at a useful pace.
        limit: bytes that it may have, before and after the decompression.

    Raises:
        TooLongError: it is longer.
        NetworkError: it is too slow, or not in the encoding that was asked for.
        TransientError: it broke off.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower() if limit is not None else ""
    if encoding not in ("", "identity", "gzip"):
        raise NetworkError(f"{name} is compressed in a way that the request did not ask for: {encoding[:50]!r}.")
    decoder = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    started, received, sent = time.monotonic(), 0, 0
    while chunk := response.raw.read1(2**16, decode_content=False):
        received += len(chunk)
        if decoder is not None and limit is not None:
            try:
                chunk = decoder.decompress(chunk, limit + 1 - sent)
            except zlib.error as error:
                raise NetworkError(f"{name} is not the gzip data that its server promised: {error}.") from error
        sent += len(chunk)
        if limit is not None and max(received, sent) > limit:
            raise TooLongError(f"{name} is longer than the {limit} bytes that it may have.")
        seconds = time.monotonic() - started
        if seconds > deadline + received / _SLOWEST:
            remedy = "Use another mirror, or raise build.timeout."
            raise NetworkError(
                f"{name} is too slow: {received} bytes in {seconds:.0f} s (build.timeout).", remedy=remedy
            )
        yield chunk
    if received and decoder is not None and not decoder.eof:
        raise TransientError(NetworkError(f"{name} broke off after {received} bytes."))
