"""Bundles as `.zip`, for systems that have no other program to unpack archives."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.layers import FILE_TYPES, TOP, DamagedLayerError, Entry, Layer, overlay, path_order
from bundle.base.files import copy_hashed

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store

_UNIX = 3
"""The system of the permission bits (APPNOTE.TXT, section 4.4.2)."""

_FOLDER = 0x10
"""The MS-DOS attribute of a folder."""


def write_zip(store: Store, layers: Sequence[Layer], target: Path, *, level: int) -> None:
    """Write layers, laid on top of each other in lock order, as a deterministic zip file.

    Args:
        level: of zlib.

    Raises:
        IntegrityError: layers do not fit on each other.
        DamagedLayerError: a layer changed in the store.
    """
    held, _ = overlay(layers)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.writestr(_info(Entry(TOP, "folder", False, 0, None, None), TOP, store.epoch), b"")
        for path in sorted(held, key=path_order):
            layer, entry = held[path]
            info = _info(entry, f"{TOP}/{path}", store.epoch)
            if entry.kind == "file":
                _write_file(archive, info, store.tree(layer) / path, layer, entry)
            else:
                archive.writestr(info, (entry.target or "").encode())


def _info(entry: Entry, name: str, epoch: int) -> zipfile.ZipInfo:
    # A zip file cannot tell times before 1980.
    moment = time.gmtime(max(epoch, 315532800))[:6]
    info = zipfile.ZipInfo(name + "/" if entry.kind == "folder" else name, moment)
    info.create_system = _UNIX
    info.external_attr = (FILE_TYPES[entry.kind] | (0o777 if entry.kind == "symlink" else entry.mode)) << 16
    info.compress_type = zipfile.ZIP_DEFLATED if entry.kind == "file" else zipfile.ZIP_STORED
    info.file_size = entry.size
    if entry.kind == "folder":
        info.external_attr |= _FOLDER
    return info


def _write_file(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, layer: Layer, entry: Entry) -> None:
    with path.open("rb") as source, archive.open(info, "w") as target:
        digest, _ = copy_hashed(source, target)
    if digest != entry.sha256:
        raise DamagedLayerError(layer.digest, f"{path} has other bytes")
