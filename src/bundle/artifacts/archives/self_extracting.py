"""Self-extracting archives for POSIX systems: a shell script, and behind its last line a `.tar.gz`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from bundle.artifacts.store.layers import TOP
from bundle.base.errors import IntegrityError
from bundle.base.files import copy_hashed, open_regular

_START = b"#!/bin/sh\n# A script, and behind its last line an archive"
_END = b"\n# The archive follows.\n"

_LONGEST = 2**14
"""Bytes that the script may have."""

_VALUES = re.compile(rb"^name='([A-Za-z0-9._+-]+)'\nsha256='([0-9a-f]{64})'$", re.MULTILINE)


def script(name: str, sha256: str) -> bytes:
    """Return the script that stands before an archive; its length does not depend on the hash.

    Args:
        name: of the bundle, such as `3.12.10-atls-linux-x64`.
        sha256: of the archive.
    """
    text = resources.files("bundle.artifacts.archives").joinpath("self_extracting.sh").read_text("utf-8")
    for key, value in {"NAME": name, "SHA256": sha256, "TOP": TOP}.items():
        text = text.replace(f"@{key}@", value)
    return text.encode()


def is_self_extracting(path: Path) -> bool:
    """Return whether a file begins like a script that `script` makes."""
    with open_regular(path) as file:
        return file.read(len(_START)) == _START


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """A self-extracting archive, as its script tells."""

    name: str
    """Of the bundle."""
    sha256: str
    """Of the archive."""
    start: int
    """Where the archive begins, in bytes."""


def read_script(path: Path) -> Extraction:
    """Return what the script at the start of a file tells.

    Raises:
        IntegrityError: it is not the script that `script` makes.
    """
    with open_regular(path) as file:
        head, end, _ = file.read(_LONGEST).partition(_END)
    values = _VALUES.search(head)
    if end and values is not None:
        name, sha256 = values[1].decode(), values[2].decode()
        if head + end == script(name, sha256):
            return Extraction(name=name, sha256=sha256, start=len(head + end))
    raise IntegrityError(
        f"The script at the start of {path} is not the one that `bundle` writes.",
        cause="It was edited, or another version of this program made it.",
        remedy="Do not run it; fetch the file again.",
    )


def take_archive(path: Path, target: Path) -> Path:
    """Copy the archive out of a self-extracting one, and return the copy's path.

    Raises:
        IntegrityError: the script is not the one that `script` makes, or the archive has another hash than it says.
    """
    told = read_script(path)
    with open_regular(path) as file, target.open("xb") as copy:
        file.seek(told.start)
        digest, _ = copy_hashed(file, copy)
    if digest != told.sha256:
        raise IntegrityError(
            f"The archive in {path} has the SHA-256 {digest}, and its script says {told.sha256}.",
            cause="The file is cut off, or was changed.",
            remedy="Fetch it again.",
        )
    return target
