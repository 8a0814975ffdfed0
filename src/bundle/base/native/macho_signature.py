"""Compare a Mach-O file with the hashes in its code signature.

Only the page hashes of the code directories are compared, not the signer, and not the trust of the system in them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

from bundle.base.native.native import Signature

_EMBEDDED_SIGNATURE = 0xFADE0CC0
_CODE_DIRECTORY = 0xFADE0C02
_HASHES = {1: "sha1", 2: "sha256", 3: "sha256", 4: "sha384"}
"""The hash types of a code directory; some are cut to 20 bytes."""

_DIRECTORY = struct.Struct(">9I4B")
"""The head of a code directory: all numbers are big-endian, on every machine."""


_MOST_BLOBS, _SMALLEST_PAGE = 50, 512
"""More blobs, or smaller pages, would only be hashed again and again."""


def signature_of(path: Path, place: tuple[int, int, int] | None) -> Signature:
    """Compare a Mach-O file with its signature.

    Args:
        place: where the part for one machine begins, and offset and size of its signature from there; None without.
    """
    if place is None:
        return "none"
    start, offset, size = place
    with path.open("rb") as file:
        whole = file.seek(0, 2)
        file.seek(start)
        code = file.read(max(0, min(offset + size, whole - start)))
    try:
        directories = list(_directories(code[offset:]))
        sound = bool(directories) and all(_fits(code, directory) for directory in directories)
    except (struct.error, IndexError, ValueError):
        sound = False
    return "sound" if sound else "void"


def _directories(signature: bytes) -> Iterator[bytes]:
    magic, _, count = struct.unpack_from(">3I", signature)
    if magic != _EMBEDDED_SIGNATURE:
        raise ValueError("no signature at the recorded place")
    if count > _MOST_BLOBS:
        raise ValueError("more blobs than a signature has")
    for number in range(count):
        _, offset = struct.unpack_from(">2I", signature, 12 + 8 * number)
        magic, length = struct.unpack_from(">2I", signature, offset)
        if magic == _CODE_DIRECTORY:
            yield signature[offset : offset + length]


def _fits(code: bytes, directory: bytes) -> bool:
    fields = _DIRECTORY.unpack_from(directory)
    hashes, slots, limit = fields[4], fields[7], fields[8]
    width, kind, _, page_power = fields[9:13]
    page = 1 << page_power if page_power else limit
    if limit > len(code) or kind not in _HASHES or slots != -(-limit // max(page, _SMALLEST_PAGE)):
        return False
    view = memoryview(code)[:limit]
    return all(
        hashlib.new(_HASHES[kind], view[number * page : (number + 1) * page], usedforsecurity=False).digest()[:width]
        == directory[hashes + number * width : hashes + (number + 1) * width]
        for number in range(slots)
    )
