"""The list of a bundle's files, `bundle-files.json`: each path as it was built, by the layer that it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from bundle.model.manifest import MANIFEST
from bundle.model.records import MalformedError

FILE_LIST = "bundle-files.json"
"""The list's file name, at the bundle's root."""

DESCRIPTIONS = frozenset({MANIFEST, FILE_LIST})
"""The files that the list does not hold: itself, and the manifest, which keeps the list's hash."""

_FORMAT = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ListedEntry(NamedTuple):
    """One file, link or folder; a plain tuple, because a bundle has tens of thousands of them."""

    path: str
    """Relative to the bundle's root, with `/` between the parts."""
    mode: int
    """The permission bits; 0 for links, which have none."""
    size: int
    """Bytes of a file, 0 for all else."""
    sha256: str | None
    """Of a file's bytes, None for all else."""
    target: str | None
    """Where a link points to, None for all else."""

    @property
    def kind(self) -> str:
        """`file`, `symlink` or `folder`."""
        return "file" if self.sha256 is not None else "folder" if self.target is None else "symlink"


@dataclass(frozen=True, kw_only=True)
class ListedLayer:
    """One layer, and the paths that the bundle holds from it."""

    kind: str
    name: str
    version: str
    digest: str
    """Empty for the bundle's documents, whose layer holds this list."""
    entries: tuple[ListedEntry, ...]

    @property
    def title(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, kw_only=True)
class FileList:
    """The list of one bundle."""

    layers: tuple[ListedLayer, ...]

    @cached_property
    def paths(self) -> Mapping[str, tuple[ListedLayer, ListedEntry]]:
        """Layer and entry of each path."""
        return {entry.path: (layer, entry) for layer in self.layers for entry in layer.entries}

    def as_text(self) -> str:
        """Return the content of `bundle-files.json`: JSON with one line for each path."""
        blocks = []
        for layer in self.layers:
            head = json.dumps(
                {"kind": layer.kind, "name": layer.name, "version": layer.version, "digest": layer.digest}
            )
            rows = ",\n".join(json.dumps(_row(entry), ensure_ascii=False) for entry in layer.entries)
            blocks.append(f'{head[:-1]}, "entries": [\n{rows}\n]}}')
        return f'{{"format": {_FORMAT}, "layers": [\n' + ",\n".join(blocks) + "\n]}\n"

    @classmethod
    def parse(cls, text: bytes) -> FileList:
        """Read the content of a `bundle-files.json`.

        Raises:
            MalformedError: it has another shape.
        """
        try:
            value = json.loads(text)
            if value["format"] != _FORMAT:
                raise MalformedError(f"format is {value['format']!r:.40}, not {_FORMAT}")
            files = cls(layers=tuple(map(_layer, value["layers"])))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise MalformedError(f"it cannot be read: {error}") from error
        if len(files.paths) != sum(len(layer.entries) for layer in files.layers):
            raise MalformedError("a path is listed twice")
        return files


def _row(entry: ListedEntry) -> dict[str, str | int]:
    path, mode, size, sha256, target = entry
    if target is not None:
        return {"path": path, "target": target}
    row: dict[str, str | int] = {"path": path, "mode": f"{mode:04o}"}
    return row if sha256 is None else row | {"size": size, "sha256": sha256}


def _layer(value: Mapping[str, Any]) -> ListedLayer:
    texts = {key: value[key] for key in ("kind", "name", "version", "digest")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedError("a layer is described by something else than text")
    return ListedLayer(**texts, entries=tuple(_entries(value["entries"])))


def _entries(rows: Sequence[Mapping[str, Any]]) -> Iterator[ListedEntry]:
    for row in rows:
        keys = set(row)
        if keys == {"path", "target"}:
            entry = ListedEntry(row["path"], 0, 0, None, str(row["target"]))
        elif keys == {"path", "mode"}:
            entry = ListedEntry(row["path"], int(row["mode"], 8), 0, None, None)
        elif keys == {"path", "mode", "size", "sha256"} and _SHA256.fullmatch(row["sha256"]):
            entry = ListedEntry(row["path"], int(row["mode"], 8), row["size"], row["sha256"], None)
        else:
            raise MalformedError(f"an entry has other keys: {', '.join(map(str, keys))[:80]}")
        if not isinstance(row["path"], str) or type(entry.size) is not int:
            raise MalformedError("an entry has other types")
        yield entry
