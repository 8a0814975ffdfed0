"""The core metadata in a wheel that is open."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from typing import BinaryIO

from packaging.utils import canonicalize_name

from bundle.base.errors import IntegrityError
from bundle.base.extract import open_zip

LARGEST = 16 * 2**20
"""Bytes; metadata with a whole manual as the description stay far below."""


def metadata_in(wheel: BinaryIO, filename: str) -> bytes:
    """Return the METADATA of an open wheel; its file name tells the folder inside.

    Raises:
        IntegrityError: it is no wheel, or one without metadata.
    """
    name, version = filename.split("-")[:2]
    try:
        with open_zip(wheel) as archive:
            for info in archive.infolist():
                folder, slash, rest = info.filename.partition("/")
                if not slash or rest != "METADATA" or not folder.endswith(".dist-info"):
                    continue
                stem = folder.removesuffix(".dist-info").partition("-")[0]
                if canonicalize_name(stem) != canonicalize_name(name):
                    continue
                if info.file_size > LARGEST:
                    raise IntegrityError(f"The METADATA in {filename} claims {info.file_size} bytes.")
                return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError) as error:
        raise IntegrityError(f"{filename} is not a readable wheel: {error}") from error
    except (NotImplementedError, RuntimeError, MemoryError, OverflowError) as error:
        raise IntegrityError(f"{filename} is not a readable wheel: {error}") from error
    raise IntegrityError(f"{filename} is not a wheel: it has no {name}-{version}.dist-info/METADATA.")
