"""Bundles whose layers hold what no layer may hold; all digests fit, as in a catalogue that an attacker wrote."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from hashlib import sha256

import zstandard

from bundle.artifacts.archives.bundle_archive import _index_frame
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry, bundle_digest
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.frames import end_frame
from bundle.artifacts.store.layers import TOP
from bundle.base.files import pretty_json
from bundle.model import revisions
from bundle.model.file_list import FILE_LIST, FileList, ListedEntry, ListedLayer
from bundle.model.manifest import MANIFEST, LayerRecord, Manifest, PythonRecord
from tests.run.install.shipped import LINUX, VERSION, Shop

EPOCH = 315532800

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = "", **changed: int) -> Member:
    """One entry in the form of a layer, apart from what is changed."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mtime = kind, link, len(content), EPOCH
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for attribute, value in changed.items():
        setattr(info, attribute, value)
    return info, content


def stream_of(members: Sequence[Member]) -> bytes:
    """A layer's tar stream, without the end marker."""
    whole = io.BytesIO()
    for info, content in [member(TOP, kind=tarfile.DIRTYPE), *members]:
        whole.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        whole.write(content + bytes(-len(content) % 512))
    return whole.getvalue()


def forge(shop: Shop, members: Sequence[Member], *, frame: bytes | None = None, size: int | None = None) -> Entry:
    """Make an archive and a catalogue with a layer of these members, and return the entry.

    Args:
        frame: the compressed bytes of the layer, in place of those that would fit.
        size: of the layer by the index, in place of the one that would fit.
    """
    first = stream_of(members)
    listed = [_listed(info, content) for info, content in members]
    digest = sha256(first).hexdigest()
    layer = ListedLayer(kind="wheel", name="evil", version="1.0", digest=digest, entries=tuple(listed))
    unique = {entry.path: entry for entry in layer.entries}
    files = (
        FileList(layers=(ListedLayer(**{**vars(layer), "entries": tuple(unique.values())}),))
        .as_text()
        .encode(errors="replace")
    )
    record = LayerRecord(digest=digest, kind="wheel", name="evil", version="1.0", size=len(first))
    manifest = Manifest(
        version=VERSION,
        platform=LINUX.key,
        python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
        layers=(record,),
        files=sha256(files).hexdigest(),
    )
    text = pretty_json(manifest.as_json()).encode()
    second = stream_of([member(f"{TOP}/{FILE_LIST}", files), member(f"{TOP}/{MANIFEST}", text)])
    documents = LayerRecord(
        digest=sha256(second).hexdigest(), kind="manifest", name=MANIFEST, version="", size=len(second)
    )
    content, index = b"", []
    for one, stream, given in ((record, first, frame), (documents, second, None)):
        packed = given or zstandard.ZstdCompressor().compress(stream)
        described = {
            "offset": len(content),
            "length": len(packed),
            "sha256": sha256(packed).hexdigest(),
            "size": size if size and one is record else len(stream),
        }
        index.append(
            {"digest": one.digest, "kind": one.kind, "name": one.name, "version": one.version, "frames": [described]}
        )
        content += packed
    content += end_frame(Compression(format="tar.zst"))
    content += _index_frame({"format": revisions.ARCHIVE_INDEX, "top": TOP, "layers": index})
    shop.folder.mkdir(exist_ok=True)
    shop.archive().write_bytes(content)
    layers = (record, documents)
    entry = Entry(
        version=VERSION,
        platform=LINUX.key,
        path=VERSION,
        digest=bundle_digest(layers),
        size=1,
        python=manifest.python,
        archives=(
            ArchiveRecord(
                format="tar.zst", path=shop.archive().name, sha256=sha256(content).hexdigest(), size=len(content)
            ),
        ),
        layers=layers,
        packages=(),
        skipped=(),
        conflicts=(),
        manifest=sha256(text).hexdigest(),
        files=manifest.files,
    )
    shop.put(Catalogue(entries=(entry,)))
    return entry


def _listed(info: tarfile.TarInfo, content: bytes) -> ListedEntry:
    path = info.name.removeprefix(f"{TOP}/").rstrip("/")
    if info.type == tarfile.DIRTYPE:
        return ListedEntry(path, 0o755, 0, None, None)
    if info.type == tarfile.SYMTYPE:
        return ListedEntry(path, 0, 0, None, info.linkname)
    return ListedEntry(path, 0o644, len(content), sha256(content).hexdigest(), None)
