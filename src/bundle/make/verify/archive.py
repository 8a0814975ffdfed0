"""Whether an archive holds its bundle and nothing else: its hash, its index, and bytes that no reader shows."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from bundle.artifacts.archives.bundle_archive import IndexedFrame, IndexedLayer, bytes_before_index, read_index
from bundle.artifacts.archives.self_extracting import is_self_extracting, read_script
from bundle.artifacts.store.layers import END_OF_TAR
from bundle.base.errors import IntegrityError
from bundle.base.files import CHUNK, sha256_of
from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.policy import Known
from bundle.make.verify.checks.rules import RULES
from bundle.model.manifest import Manifest

_ZSTD = (b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18")
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ZIP_END = 22
"""Bytes of the record at the end of a zip file that has no comment (APPNOTE.TXT, section 4.3.16)."""


def check_archive(archive: Path, manifest: Manifest, known: Known) -> tuple[Finding, ...]:
    """Check what unpacking an archive does not show.

    Args:
        manifest: of the bundle that was unpacked from it.
    """
    findings = []
    if known.archive and (actual := sha256_of(archive)) != known.archive:
        message = (
            f"has the SHA-256 {actual}, and {known.by} says {known.archive}: it was changed, or is another build's."
        )
        findings.append(RULES["bundle-differs"].about(archive.name, message))
    with archive.open("rb") as file:
        head = file.read(4)
    if head == _ZSTD[0] or head[1:] == _ZSTD[1]:
        problems = _index_problems(archive, manifest)
    elif head == _ZIP:
        problems = _zip_problems(archive)
    else:
        script = is_self_extracting(archive)
        start = read_script(archive).start if script else 0
        problems = _gzip_problems(archive, start) if script or head[:2] == _GZIP else iter(())
    rule = RULES["archive-index" if archive.suffix == ".zst" else "archive-surplus"]
    return (*findings, *(rule.about(archive.name, problem) for problem in problems))


def _index_problems(archive: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with the index of a `.tar.zst`, or with the frames that it names."""
    try:
        layers = read_index(archive)
        rest = bytes_before_index(archive, layers)
    except IntegrityError as error:
        yield f"has no usable index: {error.what} {error.cause or ''}".rstrip()
        return
    named = [(one.kind, one.name, one.version, one.digest) for one in manifest.layers]
    held = [(one.kind, one.name, one.version, one.digest) for one in layers]
    if held[:-1] != named or held[-1][0] != "manifest":
        yield "has an index with other layers than its bundle.json."
    if _decompressed(rest, len(END_OF_TAR)) != END_OF_TAR:
        yield "holds data that its index does not name."

    def wrong(layer: IndexedLayer) -> str | None:
        return _layer_problem(archive, layer)

    found = all_of(in_parallel(wrong, layers, threads=os.cpu_count() or 1))
    yield from (problem for problem in found if problem)


def _layer_problem(archive: Path, layer: IndexedLayer) -> str | None:
    digest = hashlib.sha256()
    title = f"{layer.name} {layer.version}".rstrip()
    for frame in layer.frames:
        if not _feed(archive, frame, digest):
            return f"has a frame of {title} at byte {frame.offset} that is not what its index says."
    return None if digest.hexdigest() == layer.digest else f"holds something else as {title} than its index says."


def _feed(archive: Path, frame: IndexedFrame, digest: hashlib._Hash) -> bool:
    """Read one frame in bounded memory; return whether it has its hash and its size."""
    compressed, size = hashlib.sha256(), 0
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    with archive.open("rb") as file:
        file.seek(frame.offset)
        left = frame.length
        try:
            while left and (chunk := file.read(min(left, CHUNK >> 4))):
                left -= len(chunk)
                compressed.update(chunk)
                data = decompressor.decompress(chunk)
                size += len(data)
                if size > frame.size:
                    return False
                digest.update(data)
        except zstandard.ZstdError:
            return False
    # Without `eof` the frame ends too late, with unused data too early.
    ended = decompressor.eof and not decompressor.unused_data
    return ended and not left and size == frame.size and compressed.hexdigest() == frame.sha256


def _decompressed(frame: bytes, size: int) -> bytes:
    try:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        content = decompressor.decompress(frame) if len(frame) <= size else b""
    except zstandard.ZstdError:
        return b""
    return content if decompressor.eof and not decompressor.unused_data else b""


def _gzip_problems(archive: Path, start: int) -> Iterator[str]:
    # It was unpacked before, so its headers are sound; here only the place of the end counts.
    with archive.open("rb") as file:
        file.seek(start)
        yield from _surplus(gzip.GzipFile(fileobj=file))


def _surplus(unpacked: gzip.GzipFile) -> Iterator[str]:
    with unpacked as stream:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            while tar.next() is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # kept for random access
            stream.seek(tar.offset)
        if any(any(chunk) for chunk in iter(lambda: stream.read(CHUNK), b"")):
            yield "holds data behind the end of its tar file."


def _zip_problems(archive: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as pack, archive.open("rb") as file:
        file.seek(-_ZIP_END, 2)
        if pack.comment or file.read(4) != b"PK\x05\x06":
            yield "holds data behind its table of entries."
        if min((one.header_offset for one in pack.infolist()), default=0) != 0:
            yield "holds data before its first entry."
