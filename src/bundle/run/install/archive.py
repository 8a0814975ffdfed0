"""Archives at hand become bundles: straight into their folder, with nothing taken into the store."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.artifacts.archives.bundle_archive import IndexedLayer, open_layer, read_index
from bundle.artifacts.catalogue_entry import bundle_digest
from bundle.artifacts.store.layers import TOP, Entry
from bundle.artifacts.store.unpacking import TreeWriter, entry_obstacle, write_file
from bundle.artifacts.store.unpacking import unpack as unpack_layer
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.extract import extract, read_selected
from bundle.base.folders import remove_tree
from bundle.model.file_list import DESCRIPTIONS, FileList
from bundle.model.manifest import MANIFEST, Manifest, read_manifest
from bundle.run.install.documents import change_in, read_file_list

_LARGEST_MANIFEST = 2**26
"""Bytes; that of a bundle with 200 packages has 200 kB."""


def manifest_in(archive: Path) -> Manifest:
    """Return the manifest of the bundle in an archive.

    Raises:
        ConfigError: there is no such file.
        IntegrityError: it is damaged, or holds no bundle.
    """
    if not archive.is_file():
        raise ConfigError(f"{archive} is no file.", remedy="Name an archive of a bundle, or a version and --from.")
    if is_indexed(archive):
        with TemporaryDirectory() as folder:
            return _documents(archive, read_index(archive), Path(folder, "documents"))[0]
    wanted = f"{TOP}/{MANIFEST}"
    for _, content in read_selected(archive, lambda name: name.removeprefix("./") == wanted, most=_LARGEST_MANIFEST):
        try:
            return Manifest.from_json(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise _contradiction(archive, f"its {MANIFEST} cannot be read ({error})") from error
    raise _contradiction(archive, f"it has no {wanted}")


def unpack(archive: Path, tree: Path) -> str:
    """Unpack an archive of any kind; its first bytes decide.

    Args:
        tree: an empty folder, which gets the bundle.

    Returns:
        The digest of the bundle; empty for an archive without an index, which does not tell.

    Raises:
        IntegrityError: the archive is damaged, contradicts itself, or is unsafe.
    """
    if is_indexed(archive):
        return bundle_digest(_unpack_indexed(archive, tree))
    unpack_whole(archive, tree)
    return ""


def is_indexed(archive: Path) -> bool:
    """Return whether an archive has, or must have, an index of its layers."""
    with archive.open("rb") as file:
        return file.read(4) == b"\x28\xb5\x2f\xfd"


def _unpack_indexed(archive: Path, tree: Path) -> list[IndexedLayer]:
    """Unpack a `.tar.zst` by its index; return its layers.

    One layer follows the other: other threads decompress and hash ahead, and what is left, entries and files, is work
    of the interpreter, which two threads would only take from each other.
    """
    indexed = read_index(archive)
    _, files = _documents(archive, indexed, tree.with_name("documents"))
    with _uncollected():
        writer = _BundleWriter(archive, files, tree)
        for layer in indexed:
            writer.take(layer, "" if layer is indexed[-1] else layer.digest)
        writer.finish()
    return indexed


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector of cycles from walking the list of all files again and again; the block makes no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def unpack_whole(archive: Path, tree: Path) -> None:
    """Unpack an archive that has no index, and compare every file with the list of them.

    Args:
        tree: an empty folder, which gets the bundle.

    Raises:
        IntegrityError: the archive is damaged, contradicts itself, or is unsafe.
    """
    unpacked = tree.with_name("unpacked")
    try:
        extract(archive, unpacked)
        if [path.name for path in unpacked.iterdir()] != [TOP]:
            raise _contradiction(archive, f"it has something else than the folder {TOP}")
        try:
            changed = change_in(unpacked / TOP, full=True)
        except (OSError, KeyError) as error:
            raise _contradiction(archive, "it is no bundle") from error
        if changed:
            raise _contradiction(archive, changed)
        tree.rmdir()
        (unpacked / TOP).rename(tree)
    finally:
        if unpacked.exists():
            remove_tree(unpacked)


def _documents(archive: Path, indexed: list[IndexedLayer], folder: Path) -> tuple[Manifest, FileList]:
    """Return an archive's manifest and list of files, once the index is found to be that of the manifest.

    Args:
        folder: a path for a folder while it is read.
    """
    if not indexed:
        raise _contradiction(archive, "it has no layers")
    writer = TreeWriter(folder)
    try:
        documents = indexed[-1]
        with open_layer(archive, documents) as file:
            unpack_layer(file, documents.frames, documents.digest, writer.put, name=f"of {archive.name} with documents")
        writer.finish()
        files = read_file_list(folder)
        manifest = read_manifest(folder)
    except ConfigError as error:
        raise _contradiction(archive, error.what) from error
    finally:
        remove_tree(folder)
    if [layer.digest for layer in manifest.layers] != [layer.digest for layer in indexed[:-1]]:
        raise _contradiction(archive, "its index has other layers than its manifest")
    if files is None:
        raise _contradiction(archive, "it has no list of its files, or another one than its manifest names")
    return manifest, files


class _BundleWriter:
    """Writes what each layer supplies to a bundle."""

    def __init__(self, archive: Path, files: FileList, tree: Path) -> None:
        self._archive = archive
        self._root = os.fspath(tree)
        self._supplied = {path: (layer.digest, entry) for path, (layer, entry) in files.paths.items()}
        self._written = 0
        self._epoch = 0
        self._folders = [self._root]
        self._links: list[Entry] = []
        tree.chmod(0o755)
        # A folder of the list only, never a link, is above what is written.
        for path, (_, entry) in sorted(self._supplied.items()):
            if obstacle := entry_obstacle(Entry(path, "file", False, 0, None, None)):
                raise _contradiction(archive, f"{path!r:.200} was refused because {obstacle}")
            above = path.rpartition("/")[0]
            if above and (above not in self._supplied or self._supplied[above][1].kind != "folder"):
                raise _contradiction(archive, f"{above!r:.200} is no folder of it")
            if entry.kind == "folder":
                os.mkdir(f"{self._root}/{path}")  # noqa: PTH102 - a path object for each of thousands is slow
                self._folders.append(f"{self._root}/{path}")

    def take(self, layer: IndexedLayer, digest: str) -> None:
        """Write what a layer supplies; the list names it by the digest, and documents by none."""

        def put(entry: Entry, chunks: Iterator[bytes], epoch: int) -> None:
            supplier, listed = self._supplied.get(entry.path, (None, None))
            if supplier is None and not (entry.path in DESCRIPTIONS and not digest):
                raise self._strange(layer, entry, "the list does not have it")
            if listed is not None and supplier == digest:
                if (listed.kind, listed.size, listed.target) != (entry.kind, entry.size, entry.target):
                    raise self._strange(layer, entry, "the list has something else of that name")
                self._written += 1
            elif supplier is not None:
                return
            if entry.kind == "file":
                write_file(f"{self._root}/{entry.path}", entry, chunks, epoch=epoch)
            elif entry.kind == "symlink":
                self._links.append(entry)

        with open_layer(self._archive, layer) as file:
            name = f"{layer.name} {layer.version}".rstrip()
            self._epoch = unpack_layer(file, layer.frames, layer.digest, put, name=name)

    def finish(self) -> None:
        """Make the links, and set the times of all but files."""
        if self._written != len(self._supplied):
            raise _contradiction(self._archive, "its layers lack some of the files in its list")
        for entry in self._links:
            os.symlink(entry.target or "", f"{self._root}/{entry.path}")  # noqa: PTH211
            if os.utime in os.supports_follow_symlinks:
                os.utime(f"{self._root}/{entry.path}", (self._epoch, self._epoch), follow_symlinks=False)
        for place in reversed(self._folders):
            os.chmod(place, 0o755)  # noqa: PTH101, S103 - the umask must not show in a bundle
            os.utime(place, (self._epoch, self._epoch))

    def _strange(self, layer: IndexedLayer, entry: Entry, why: str) -> IntegrityError:
        return _contradiction(self._archive, f"{entry.path!r:.200} of {layer.name}: {why}")


def _contradiction(archive: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} is not installed: {why}.",
        cause="The archive was changed or damaged, or is not one of `bundle build`.",
        remedy="Copy it again from where it was built.",
    )
