"""The differences between a bundle's files and the list of what was built."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bundle.make.verify.checks.byte_scan import Scanned
from bundle.make.verify.checks.compiled import CompiledModule
from bundle.make.verify.checks.contents import Contents
from bundle.model.file_list import DESCRIPTIONS, FileList, ListedEntry
from bundle.model.platforms import short_version

HAS_MODES = os.name == "posix"
"""Whether this machine keeps the permission bits of files."""

_COMPILED = re.compile(
    r"(?P<folder>(?:.*/)?)__pycache__/(?P<name>[^/]+)\.cpython-(?P<tag>\d+)t?(?:\.opt-(?P<level>[12]))?\.pyc", re.DOTALL
)
"""The path of a compiled module that Python looks for (PEP 3147, PEP 488)."""

_OWNERS_READ = 0o500


class Difference(NamedTuple):
    """One path that is not as it was built."""

    rule: str
    layer: str
    """Empty for what no layer has."""
    path: str
    detail: str
    """The difference, in a few words."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The files of a bundle beside its list."""

    listed: FileList
    contents: Contents
    scanned: Mapping[str, Scanned]

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that is not as it was built, sorted by path."""
        return tuple(sorted((*self._listed(), *self._added()), key=lambda one: one.path))

    @cached_property
    def paths(self) -> frozenset[str]:
        """The paths of all differences."""
        return frozenset(one.path for one in self.differences)

    @cached_property
    def written(self) -> Mapping[str, CompiledModule]:
        """Compiled modules by path that Python wrote by itself: beside their sources, and judged by time."""
        others = (path for path in self.scanned if path not in self.listed.paths)
        return {path: module for path in others if (module := self._by_use(path))}

    @cached_property
    def masked(self) -> int:
        """The permission bits that the whole bundle lost when it was unpacked, by the umask of that process."""
        lost = Counter(
            0o755 & ~status.st_mode for status in self.contents.files.values() if stat.S_ISDIR(status.st_mode)
        )
        mask = lost.most_common(1)[0][0] if lost and HAS_MODES else 0
        return 0 if mask & _OWNERS_READ else mask

    def _listed(self) -> Iterator[Difference]:
        files = self.contents.files
        for layer, entry in self.listed.paths.values():
            path, title = entry.path, layer.title
            status = files.get(path)
            if status is None:
                yield Difference("file-removed", title, path, "is missing")
                continue
            kind = kind_of(status)
            if kind != entry.kind:
                yield Difference("file-changed", title, path, f"is a {kind}, and was a {entry.kind}")
            elif detail := self._change(entry, status):
                yield Difference("file-changed", title, path, detail)
            elif HAS_MODES and kind != "symlink":
                mode = stat.S_IMODE(status.st_mode)
                if mode != entry.mode & ~self.masked:
                    yield Difference("mode-changed", title, path, f"has mode {mode:04o}, and had {entry.mode:04o}")

    def _change(self, entry: ListedEntry, status: os.stat_result) -> str | None:
        if entry.target is not None:
            target = os.readlink(self.contents.root / entry.path)  # noqa: PTH115 - the text as it stands
            return None if target == entry.target else f"leads to {target!r:.200}, and led to {entry.target!r:.200}"
        if entry.sha256 is None:
            return None
        if status.st_size != entry.size:
            return f"has {status.st_size} bytes, and had {entry.size}"
        return None if self.scanned[entry.path].sha256.hex() == entry.sha256 else "has other bytes"

    def _added(self) -> Iterator[Difference]:
        for path, status in self.contents.files.items():
            if path in self.listed.paths or path in DESCRIPTIONS or path in self.written:
                continue
            kind = kind_of(status)
            parent, _, name = path.rpartition("/")
            if not (kind == "folder" and name == "__pycache__" and (not parent or parent in self.listed.paths)):
                yield Difference("file-added", "", path, f"is a {kind} that no layer has")

    def _by_use(self, path: str) -> CompiledModule | None:
        # PEP 552: Python itself writes modules that are judged by the time of their source.
        match = _COMPILED.fullmatch(path)
        if match is None or self.scanned[path].head[4:8] != bytes(4):
            return None
        source = f"{match['folder']}{match['name']}.py"
        if source not in self.listed.paths or match["tag"] != short_version(self.contents.python).replace(".", ""):
            return None
        return CompiledModule(path=path, source=source, level=int(match["level"] or 0))


def kind_of(status: os.stat_result) -> str:
    """Return the word for a kind of file."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFIFO: "pipe"}
    return kinds.get(stat.S_IFMT(status.st_mode), "device or socket")
