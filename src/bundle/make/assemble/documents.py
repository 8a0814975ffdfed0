"""The documents in a bundle, and those beside its archives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from bundle.artifacts.archives.bundle_archive import PackedArchive
from bundle.artifacts.documents.names import SBOM
from bundle.artifacts.documents.provenance import provenance
from bundle.artifacts.documents.sbom import Licences, sbom
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.artifacts.wheel.licence import stated_licence
from bundle.base.files import pretty_json, read_regular, sha256_of
from bundle.make.assemble.manifest import list_files
from bundle.model.file_list import FILE_LIST
from bundle.model.locks.lock import Lock
from bundle.model.manifest import MANIFEST, Manifest

_METADATA = ".dist-info/METADATA"


def documents_inside(
    manifest: Manifest, layers: Sequence[Layer], carried: Mapping[str, str], licences: Licences, *, epoch: int
) -> tuple[Manifest, dict[str, str]]:
    """Return the manifest with the hash of the list of files, and the text of every document by its path.

    Args:
        layers: in the order in which they lie upon each other.
        carried: the documents about carried wheels.
        epoch: the time that documents carry, seconds since 1970.
    """
    documents = {**carried, SBOM: sbom(manifest, licences, epoch=epoch)}
    files = list_files(layers, documents).as_text()
    manifest = replace(manifest, files=hashlib.sha256(files.encode()).hexdigest())
    return manifest, documents | {MANIFEST: pretty_json(manifest.as_json()), FILE_LIST: files}


def documents_beside(
    manifest: Manifest,
    locks: Sequence[Lock],
    archives: Sequence[PackedArchive],
    *,
    tree: Path,
    inputs: Sequence[Path],
    root: Path,
) -> dict[str, str]:
    """Return the text of each document beside the archives by its kind.

    Args:
        locks: one for each set of packages.
        tree: the bundle.
        inputs: the files of the configuration, and the locks.
        root: the project's folder.
    """
    subjects = {archive.path.name: archive.sha256 for archive in archives}
    named = {
        path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name: path
        for path in inputs
        if path.is_file()
    }
    hashes = {name: sha256_of(path) for name, path in named.items()}
    return {
        "sbom": read_regular(tree / SBOM).decode(),
        "provenance": provenance(manifest, locks, subjects=subjects, project=hashes),
    }


def licences_of(layers: Sequence[Layer], store: Store) -> dict[tuple[str, str], str]:
    """Return the licence that each package states, by its normalised name and version.

    Args:
        layers: those of installed wheels count.
    """
    found: dict[tuple[str, str], str] = {}
    for layer in (layer for layer in layers if layer.kind == "wheel"):
        paths = [entry.path for entry in layer.entries if entry.kind == "file"]
        for path in paths:
            if path.endswith(_METADATA):
                folder = path.removesuffix("METADATA")
                inside = [one.removeprefix(folder) for one in paths if one.startswith(folder)]
                text = read_regular(store.tree(layer) / path).decode(errors="replace")
                if licence := stated_licence(text, inside):
                    found[canonicalize_name(layer.name), layer.version] = licence
    return found
