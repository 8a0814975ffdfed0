"""The files of a page in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bundle.artifacts.documents.page.site import FOLDER, GENERATOR, START, bundle_of
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.base.staging import write_atomically


def require_own(folder: Path) -> None:
    """Refuse a folder whose start page is not one that was made here.

    Raises:
        ConfigError: it has another.
    """
    start = folder / START
    if start.exists() and not (start.is_file() and GENERATOR in read_regular(start)):
        raise ConfigError(
            f"{start} is not a page of this program, so it is not replaced.",
            cause="The folder holds another web site.",
            remedy="Name another folder with --output, or remove the file.",
        )


def write_site(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a page, the start page last, and remove those about bundles that it no longer has.

    Args:
        folder: made if it is missing; other files in it stay.
        files: content by path.
    """
    require_own(folder)
    for path in sorted(files, key=lambda one: (one == START, one)):
        _write(folder / path, files[path])
    for old in (folder / FOLDER).glob("*/*"):
        path = old.relative_to(folder).as_posix()
        if path not in files and bundle_of(path) and old.is_file():
            old.unlink()
            if not any(old.parent.iterdir()):
                old.parent.rmdir()


def _write(path: Path, content: bytes) -> None:
    if not (path.is_file() and path.stat().st_size == len(content) and read_regular(path) == content):
        write_atomically(path, content)
