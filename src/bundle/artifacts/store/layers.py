"""Layers: file trees of one input each, their tar entries, and the digest of those.

`epoch` is the modification time of all files of a layer, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bundle.base.errors import IntegrityError
from bundle.base.filenames import climbs, text_obstacle
from bundle.base.files import CHUNK
from bundle.base.folders import listing
from bundle.model.manifest import Conflict

EntryKind = Literal["file", "symlink", "folder"]
LayerKind = Literal["interpreter", "wheel", "copyFiles", "manifest"]

TOP = "python"
"""The one top folder of every archive."""

END_OF_TAR = bytes(1024)
"""Two empty blocks say that a tar stream is complete (POSIX.1-2008, pax, ustar format)."""

FILE_TYPES: Mapping[EntryKind, int] = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK}

_BLOCK = 512

_LONGEST, _LARGEST = 100, 0o77777777777
"""Bytes of a name, and the number, that a header has room for (POSIX.1-2008, pax, ustar format)."""


class DamagedLayerError(IntegrityError):
    """A layer has other bytes than it was made with; it has to go from the store, and is then made again."""

    def __init__(self, digest: str, what: str) -> None:
        super().__init__(
            f"A layer in the store was damaged and is removed: {what}.",
            cause="The disk is failing, or a program changed files of the store.",
            remedy="Run the same command again: it makes the layer anew. `bundle cache verify` reads all of the store.",
        )
        self.digest = digest


class Entry(NamedTuple):
    """One file, link or folder of a layer; a plain tuple, because a bundle has tens of thousands of them."""

    path: str
    """Relative to the bundle's root, with `/` between the parts."""
    kind: EntryKind
    executable: bool
    size: int
    """Bytes of a file, 0 for all else."""
    sha256: str | None
    """Of a file's bytes; None for all else, and before they have been read."""
    target: str | None
    """Where a symlink points to; None for all else."""

    @property
    def mode(self) -> int:
        """The permission bits: 0755 for folders and executable files, else 0644."""
        return 0o755 if self.executable or self.kind == "folder" else 0o644


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A deterministic file tree from one input."""

    digest: str
    """SHA-256 of the uncompressed tar entries, each under the top folder, without the end marker."""
    kind: LayerKind
    name: str
    version: str
    size: int
    """Bytes of all its files together."""
    entries: tuple[Entry, ...] = field(repr=False)
    """Sorted by `path_order`: a folder comes right before its content."""
    about: Mapping[str, Any] = field(repr=False)
    """The maker's notes, as JSON."""
    epoch: int | None = None
    """Modification time of its files, where it may be another one than the store's."""


def scan(tree: Path) -> tuple[Entry, ...]:
    """List the entries of a tree with the bundle's layout (`bin/`, `lib/`…), unread: they have no `sha256` yet.

    Raises:
        IntegrityError: the tree holds a device, a link that points out of it, or a name that not every system has.
    """
    found: list[Entry] = []
    for path, status in listing(tree).items():
        if why := text_obstacle(path):
            raise IntegrityError(f"{path!r} {why}, which not every system can have.")
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(f"{tree}/{path}")  # noqa: PTH115 - pathlib would lose a trailing slash
            if climbs(path, target) or text_obstacle(target):
                raise IntegrityError(f"{path} is a link to {target!r}, which is or may be outside the tree.")
            found.append(Entry(path, "symlink", False, 0, None, target))
        elif stat.S_ISDIR(status.st_mode):
            found.append(Entry(path, "folder", False, 0, None, None))
        elif stat.S_ISREG(status.st_mode):
            found.append(Entry(path, "file", bool(status.st_mode & 0o111), status.st_size, None, None))
        else:
            raise IntegrityError(f"{path} is not a file, folder or symlink; a layer cannot hold it.")
    found.sort(key=lambda entry: path_order(entry.path))
    return tuple(found)


def path_order(path: str) -> bytes:
    """Return the sort key of entries: the bytes of the path, with nothing between a folder and its content.

    Without the second half `a.py` would be between `a` and `a/b`, and GNU tar, which sets a folder's time when it
    leaves the folder, would come back to `a` and leave the time of unpacking on it.
    """
    return path.encode().replace(b"/", b"\0")


def normalise(tree: Path, entries: Iterable[Entry], *, epoch: int) -> None:
    """Give a tree the modes and the modification time that its tar entries have."""
    root = os.fspath(tree)
    tree.chmod(0o755)
    for entry in entries:
        if entry.kind == "symlink":
            continue
        path = f"{root}/{entry.path}"
        os.chmod(path, entry.mode)  # noqa: PTH101 - a path object for each of 12,000 files is slow
        if entry.kind == "file":
            os.utime(path, (epoch, epoch))


class TarEntry(NamedTuple):
    """One entry of a layer's tar stream."""

    header: bytes
    path: str
    content: int
    """Bytes of the file; 0 for all else."""

    @property
    def size(self) -> int:
        """Bytes in the stream, padding included."""
        return len(self.header) + -(-self.content // _BLOCK) * _BLOCK


def tar_entries(entries: Iterable[Entry], *, epoch: int) -> Iterator[TarEntry]:
    """Yield the tar entry of the top folder and then of each entry of a sorted tree.

    The pax format (POSIX.1-2008) is the one that every tar reads with long and non-ASCII names; its extra records
    are written only where a name needs them.
    """
    yield TarEntry(_header(TOP, tarfile.DIRTYPE, 0o755, 0, "", epoch), "", 0)
    for path, kind, executable, size, _, target in entries:
        name = f"{TOP}/{path}"
        if kind == "file":
            yield TarEntry(_header(name, tarfile.REGTYPE, 0o755 if executable else 0o644, size, "", epoch), path, size)
        elif kind == "folder":
            yield TarEntry(_header(name, tarfile.DIRTYPE, 0o755, 0, "", epoch), path, 0)
        else:
            yield TarEntry(_header(name, tarfile.SYMTYPE, 0o644, 0, target or "", epoch), path, 0)


def _header(name: str, kind: bytes, mode: int, size: int, target: str, epoch: int) -> bytes:
    path = f"{name}/" if kind == tarfile.DIRTYPE else name
    short = (path + target).isascii() and max(len(path), len(target)) <= _LONGEST
    if not short or size > _LARGEST or not 0 <= epoch <= _LARGEST:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, size, target, epoch
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    # Without the library, which takes ten times as long for each of tens of thousands of files.
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, epoch)
    before = path.encode().ljust(_LONGEST, b"\0") + numbers
    after = kind + target.encode().ljust(_LONGEST, b"\0") + b"ustar\00000"
    # The checksum counts the eight bytes of its own place as spaces.
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return b"%b%06o\0 %b" % (before, checksum, after.ljust(_BLOCK - len(before) - 8, b"\0"))


def tar_chunks(tree: Path, entries: Iterable[TarEntry]) -> Iterator[bytes]:
    """Yield the bytes of all or some tar entries of a tree, without the end marker.

    Raises:
        IntegrityError: a file does not have the size that its entry says.
    """
    root = os.fspath(tree)
    for header, path, size in entries:
        yield header
        if size:
            yield from _content(f"{root}/{path}", size)
            if padding := -size % _BLOCK:
                yield bytes(padding)


def _content(path: str, size: int) -> Iterator[bytes]:
    left = size
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path object for each of 12,000 files is slow
        while chunk := file.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise IntegrityError(f"{path} does not have the {size} bytes that its layer says.")


def seal(tree: Path, entries: Sequence[Entry], *, epoch: int) -> tuple[str, tuple[Entry, ...]]:
    """Read a tree with sorted entries once, for the layer's digest and the hash of each file.

    Returns:
        The digest, and the entries with their `sha256`.

    Raises:
        IntegrityError: a file changed its size since it was listed.
    """
    root = os.fspath(tree)
    digest = hashlib.sha256()
    top, *described = tar_entries(entries, epoch=epoch)
    digest.update(top.header)
    sealed: list[Entry] = []
    for entry, (header, path, size) in zip(entries, described, strict=True):
        digest.update(header)
        if entry.kind != "file":
            sealed.append(entry)
            continue
        own = hashlib.sha256()
        for chunk in _content(f"{root}/{path}", size):
            own.update(chunk)
            digest.update(chunk)
        digest.update(bytes(-size % _BLOCK))
        sealed.append(entry._replace(sha256=own.hexdigest()))
    return digest.hexdigest(), tuple(sealed)


def overlay(layers: Sequence[Layer]) -> tuple[dict[str, tuple[Layer, Entry]], list[Conflict]]:
    """Put layers, in lock order, on top of each other, as a bundle holds them: a later one wins.

    Returns:
        Each path with the layer that supplies it, folders before their content; and where bytes differed.

    Raises:
        IntegrityError: one layer has a file, link or folder where another has something of another kind, or a wheel
            a file of the interpreter.
    """
    held: dict[str, tuple[Layer, Entry]] = {}
    conflicts: list[Conflict] = []
    for layer in layers:
        for entry in layer.entries:
            path = entry.path
            if path in held:
                before, other = held[path]
                if other.kind != entry.kind:
                    raise IntegrityError(
                        f"{path} is a {other.kind} in {before.name} {before.version} "
                        f"and a {entry.kind} in {layer.name} {layer.version}.",
                        cause="Two inputs of the bundle contradict each other.",
                        remedy="Skip one of them (packages.skip), or correct packages.copyFiles.",
                    )
                if (other.sha256, other.target) != (entry.sha256, entry.target):
                    # Documents beside the interpreter, such as LICENSE.txt, are no part of it; pip replaces its pip.
                    if (before.kind, layer.kind) == ("interpreter", "wheel") and "/" in path and layer.name != "pip":
                        raise IntegrityError(f"{path} of {layer.name} {layer.version} would replace the interpreter's.")
                    conflicts.append(Conflict(path=path, kept=layer.name, lost=before.name))
            held[path] = (layer, entry)
    return held, conflicts
