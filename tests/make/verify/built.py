"""A small bundle as a build leaves it: layers, documents, folder, archive and catalogue, without a step that runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import PackedArchive, pack
from bundle.artifacts.catalogue import record
from bundle.artifacts.catalogue_entry import entry_of, layer_record
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.files import pretty_json
from bundle.base.report import Reporter
from bundle.make.assemble.layers import Layering
from bundle.make.assemble.manifest import list_files
from bundle.model.file_list import FILE_LIST
from bundle.model.manifest import MANIFEST, Manifest, PackageRecord, PythonRecord
from bundle.model.platforms import PLATFORMS
from tests.artifacts.trees import File, Link, Tree, grow

PYTHON = "3.12.10"
SITE = "lib/python3.12/site-packages"

INTERPRETER: Tree = {
    "bin/python3.12": File(b"\x7fELF, or something like it\n", executable=True),
    "bin/python3": Link("python3.12"),
    "lib/python3.12/os.py": File(b"name = 'posix'\n"),
    "lib/python3.12/encodings/__init__.py": File(b"# encodings\n"),
}

PACKAGE: Tree = {
    f"{SITE}/tool/__init__.py": File(b"x = 1\n"),
    f"{SITE}/tool-1.0.dist-info/METADATA": File(b"Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n"),
    f"{SITE}/tool-1.0.dist-info/RECORD": File(b"tool/__init__.py,,\ntool-1.0.dist-info/RECORD,,\n"),
}


@dataclass(frozen=True)
class Built:
    """The results of a build."""

    output: Path
    manifest: Manifest
    layers: tuple[Layer, ...]
    archives: tuple[PackedArchive, ...]

    @property
    def folder(self) -> Path:
        return self.output / PYTHON / "linux-x64"

    @property
    def catalogue(self) -> Path:
        return self.output / "catalogue.json"


def build(folder: Path, package: Tree = PACKAGE, *, formats: tuple[str, ...] = ("tar.zst",)) -> Built:
    """Build a bundle of an interpreter and a package."""
    store = Store(folder / "store", reporter=Reporter())
    layers = [
        store.add(
            "interpreter", {}, grow(folder / "interpreter", INTERPRETER), name="python", version=PYTHON, about={}
        ),
        store.add("wheel", {}, grow(folder / "package", package), name="tool", version="1.0", about={}),
    ]
    files = list_files(layers, {}).as_text()
    manifest = Manifest(
        version=PYTHON,
        platform="linux-x64",
        python=PythonRecord(requested=PYTHON, actual=PYTHON, source="archive"),
        lock="c" * 64,
        layers=tuple(layer_record(layer) for layer in layers),
        packages=(
            PackageRecord(
                name="tool",
                version="1.0",
                decision="wheel",
                reason="r",
                required_by=("",),
                file="tool.whl",
                sha256="f" * 64,
            ),
        ),
        files=hashlib.sha256(files.encode()).hexdigest(),
    )
    layering = Layering(store=store, platform=PLATFORMS["linux-x64"], python=PYTHON, reporter=Reporter())
    layers.append(layering.documents({MANIFEST: pretty_json(manifest.as_json()), FILE_LIST: files}))
    output = folder / "out"
    root = output / PYTHON / "linux-x64"
    root.mkdir(parents=True)
    store.materialise(layers, root)
    archives = tuple(
        pack(store, layers, output / f"{PYTHON}-linux-x64.{one}", Compression(format=one)) for one in formats
    )
    built = Built(output, manifest, tuple(layers), archives)
    entry = entry_of(manifest, layers, archives, folder=root, root=output)
    record(built.catalogue, entry, reporter=Reporter())
    return built
