"""The claim to a store's folder: it is a store, and no other user may write to it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from bundle.artifacts.store.environment_place import FOLDER, MARK, MARKED
from bundle.artifacts.store.paths import PARTS
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.base.staging import write_atomically

_OWN = re.compile(
    rf"\.{MARK}\..*|({'|'.join(PARTS)})(/([0-9a-f]{{2}}(/[0-9a-f]{{64}}[\w.+-]*)?|[0-9a-f]{{32}}([0-9a-f]{{32}})?"
    r"(\.[\w.-]+)?|locks|wine-[\w-]+|(interpreter|wheel|manifest|copyFiles)(\.lock)?|(../)?\..+\.(staging|replaced)))?"
    rf"|{FOLDER}(/([0-9a-f]{{32}}(\.lock)?|ephemeral|interpreters|locks|starts|\..+\.staging))?"
)
"""Paths in a store without a mark, down to the folders that are removed as a whole."""


def claim(root: Path, *, trusted: bool) -> None:
    """Mark a folder as a store: one that is new, empty, or has the layout of a store.

    Args:
        trusted: whether other users may own it or write to it.

    Raises:
        ConfigError: it holds something else, or other users may have put something into it.
    """
    marked = _is_marked(root)
    places = () if marked else ("*", "*/*", "*/[0-9a-f][0-9a-f]/*")
    found = (path for place in places for path in root.glob(place))
    strange = next((path for path in found if not _OWN.fullmatch(path.relative_to(root).as_posix())), None)
    if strange is not None and not _is_marked(root):  # Another process may have marked it meanwhile.
        raise ConfigError(
            f"{root} is not a store of bundle: it holds {strange.relative_to(root)}.",
            cause="BUNDLE_CACHE_DIR names a folder with other files, which `bundle cache prune` would remove.",
            remedy="Set it to a folder that is empty or does not exist. If this is a store, move that file out of it.",
        )
    for folder in (root, *(root / name for name in (*PARTS, FOLDER))):
        with suppress(FileNotFoundError, NotADirectoryError):
            status = folder.stat()
            open_to_all = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
            if os.name == "posix" and not trusted and (open_to_all or status.st_uid not in (0, os.geteuid())):
                raise ConfigError(
                    f"The store is not used: {folder} is writable by other users, or belongs to one.",
                    cause="Programs in bundles come from the store, so each of these users could change them.",
                    remedy="Make it yours alone (chown, chmod go-w), or give --trust-store if you trust them all.",
                )
    with suppress(OSError):  # Some commands need no store that can be written to; the others fail at their first write.
        if not marked:
            write_atomically(root / MARK, MARKED)


def _is_marked(root: Path) -> bool:
    try:
        return read_regular(root / MARK) == MARKED
    except OSError:
        return False
