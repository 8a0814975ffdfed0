"""Write entries of untrusted archives below one root folder."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import IntegrityError
from bundle.base.filenames import folded, is_absolute, path_obstacle, stays_inside, text_obstacle, windows_obstacle

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_MOMENTS = (0, 2**33)
"""Times that every file system can hold."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much an archive may hold before it counts as an attack."""

    files: int = 200_000
    """Files, folders and links together."""
    size: int = 20 * 2**30
    """Bytes written."""


class Sandbox:
    """Writes entries below a root; each method raises `IntegrityError` for an entry that is unsafe or exceeds a limit.

    Links appear at the end only, when all are known: so nothing is ever written through one, and each can be judged
    by where it really leads.

    Args:
        root: the folder, made if absent.
        origin: name of the archive, for messages.
    """

    def __init__(self, root: Path, limits: Limits, origin: str) -> None:
        self._root = os.fspath(root)
        self._limits = limits
        self._origin = origin
        self._kinds: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._folder_times: dict[str, int] = {}
        self._count = 0
        self._size = 0
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str, *, mtime: float) -> None:
        """Make a folder, and those above it."""
        path = self._path(name)
        if path:
            self._make_folder(path, name)
        self._folder_times[path] = _moment(mtime)

    def file(self, name: str, chunks: Iterable[bytes], *, executable: bool, mtime: float) -> None:
        """Make a file of mode 0755 or 0644; a second one of the same name replaces the first."""
        where = self._prepare(name, "file")
        mode = 0o755 if executable else 0o644
        file = os.open(where, _CREATE, mode)
        try:
            for chunk in chunks:
                self._grow(len(chunk), name)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(file, view) :]
            if hasattr(os, "fchmod"):
                os.fchmod(file, mode)
        finally:
            os.close(file)
        os.utime(where, (_moment(mtime),) * 2)

    def copy(self, name: str, original: str, *, mtime: float) -> None:
        """Make a file with the content of an earlier entry, in place of a hard link."""
        source = self._path(original)
        if self._kind(source) != "file":
            raise self._unsafe(name, f"it is a hard link to {original!r}, which is not an earlier file of the archive")
        if self._path(name) == source:
            raise self._unsafe(name, "it is a hard link to itself")
        self._grow(os.stat(self._where(source)).st_size, name)  # noqa: PTH116 - paths are strings in this class
        where = self._prepare(name, "file")
        shutil.copyfile(self._where(source), where)
        shutil.copymode(self._where(source), where)
        os.utime(where, (_moment(mtime),) * 2)

    def link(self, name: str, target: str) -> None:
        """Remember a symbolic link, which `finish` makes."""
        if not target or is_absolute(target):
            raise self._unsafe(name, f"it is a link to {target!r}, which is not a relative path")
        if why := text_obstacle(target):
            raise self._unsafe(name, f"the target of its link {why}")
        path = self._path(name)
        self._prepare(name, "link")
        self._links[path] = target

    def finish(self) -> None:
        """Make the links and set the times of folders, now that everything is there."""
        plain = {folded(path): target for path, target in self._links.items()}
        for path, target in self._links.items():
            # Not every file system tells "A" from "a"; a link has to stay inside on both kinds.
            inside = stays_inside(path, target, self._links) and stays_inside(folded(path), folded(target), plain)
            if len(plain) != len(self._links) or not inside:
                raise self._unsafe(path, f"it is a link to {target!r}, which leads out of the archive or in a loop")
        for path, target in self._links.items():
            os.symlink(target, self._where(path))  # noqa: PTH211
        for path, moment in sorted(self._folder_times.items(), reverse=True):
            os.utime(self._where(path), (moment, moment))

    def _prepare(self, name: str, kind: str) -> str:
        path = self._path(name)
        if not path:
            raise self._unsafe(name, "it names the target folder itself")
        above = path.rpartition("/")[0]
        if above and self._kinds.get(above) != "folder":
            self._make_folder(above, name)
        where = self._where(path)
        present = self._kind(path)
        if present is None:
            self._add(path, kind, name)
        elif present != kind:
            raise self._unsafe(name, f"it is a {kind}, but there is a {present} of this name already")
        elif kind == "file":
            os.unlink(where)  # noqa: PTH108
        return where

    def _make_folder(self, path: str, name: str) -> None:
        present = self._kind(path)
        if present == "folder":
            return
        if present is not None:
            raise self._unsafe(name, f"{path!r} is a folder here and a {present} elsewhere")
        above = path.rpartition("/")[0]
        if above:
            self._make_folder(above, name)
        self._add(path, "folder", name)
        os.mkdir(self._where(path))  # noqa: PTH102
        os.chmod(self._where(path), 0o755)  # noqa: PTH101, S103 - under any umask

    def _kind(self, path: str) -> str | None:
        """Return the kind of the entry at a path: of this archive, or on the disk before it."""
        if path in self._kinds:
            return self._kinds[path]
        above = path.rpartition("/")[0]
        where = self._where(path)
        if (above and self._kind(above) != "folder") or not os.path.lexists(where):
            return None
        kind = "file"
        if os.path.islink(where):  # noqa: PTH114
            kind = "link"
        elif os.path.isdir(where):  # noqa: PTH112
            kind = "folder"
        self._kinds[path] = kind
        return kind

    def _add(self, path: str, kind: str, name: str) -> None:
        self._count += 1
        if self._count > self._limits.files:
            raise self._unsafe(name, f"there are more than {self._limits.files} entries")
        self._kinds[path] = kind

    def _grow(self, size: int, name: str) -> None:
        self._size += size
        if self._size > self._limits.size:
            raise self._unsafe(name, f"the content is larger than {self._limits.size} bytes")

    def _where(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _path(self, name: str) -> str:
        """Return an entry's name in its one form, "" for the root."""
        if why := path_obstacle(name):
            raise self._unsafe(name, f"its path {why}")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if os.name == "nt" and (why := next(filter(None, map(windows_obstacle, parts)), None)):
            raise self._unsafe(name, why)
        return "/".join(parts)

    def _unsafe(self, name: str, why: str) -> IntegrityError:
        return IntegrityError(
            f"{self._origin} is unsafe: the entry {name!r} was refused because {why}.",
            cause="The archive is damaged or malicious.",
        )


def _moment(mtime: float) -> int:
    low, high = _MOMENTS
    return low if math.isnan(mtime) else int(min(max(mtime, low), high))
