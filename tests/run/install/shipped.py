"""Small bundles for tests, made of layers in a store and published as `bundle build --output` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import pack, read_index
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import Entry, entry_of, layer_record
from bundle.artifacts.documents.names import SBOM
from bundle.artifacts.documents.sbom import sbom as bill_of_materials
from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.published import Blob, BundleDocument, PublishedEntry, PublishedLayer
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.files import pretty_json
from bundle.base.report import Reporter
from bundle.make.assemble.manifest import list_files
from bundle.model.file_list import FILE_LIST
from bundle.model.manifest import MANIFEST, Manifest, PackageRecord, PythonRecord
from bundle.model.platforms import PLATFORMS, Platform
from bundle.run.install.install import Place, Report, install, install_archive
from bundle.run.install.records import Records
from bundle.run.install.source import Source
from bundle.run.install.sources import open_source
from bundle.run.install.target import Target
from tests.artifacts.trees import File, Link, Tree, grow, read
from tests.reporters import Told

LINUX = PLATFORMS["linux-x64"]

VERSION = "3.12.10-demo"

PYTHON: Tree = {
    "bin/python3.12": File(b'#!/bin/sh\nexec echo python "$@"\n', executable=True),
    "bin/python3": Link("python3.12"),
    "bin/python": Link("python3.12"),
    "lib/python3.12/os.py": File(b"name = 'posix'\n" * 50),
    "lib/python3.12/empty": None,
    "share/Grüße 你好.txt": File(b"hello\n"),
    "share/" + "long/" * 30 + "name": File(b"x" * 600),
}

SITE = "lib/python3.12/site-packages"

WHEELS: Mapping[str, Tree] = {
    "numpy 2.2.6": {f"{SITE}/numpy/__init__.py": File(b"version = '2.2.6'\n" * 9)},
    "six 1.17.0": {f"{SITE}/six.py": File(b"moves = 1\n" * 99), "bin/six": File(b"#!/bin/sh\n", executable=True)},
    "tiny 1.0": {f"{SITE}/tiny.py": File(b"")},
}


@dataclass
class Shop:
    """A folder with bundles and their catalogue."""

    folder: Path
    catalogue: Catalogue = field(default_factory=Catalogue)

    @property
    def builder(self) -> Store:
        return Store(self.folder.with_name("builder"), reporter=Reporter())

    def build(
        self,
        wheels: Mapping[str, Tree] = WHEELS,
        *,
        version: str = VERSION,
        platform: Platform = LINUX,
        formats: Sequence[str] = ("tar.zst",),
        environment: Mapping[str, str] | None = None,
        sbom: bool = False,
    ) -> Entry:
        """Make a bundle of an interpreter and wheels, and add it to the catalogue.

        Args:
            sbom: whether it has a bill of materials, in which each package states the licence MIT.
        """
        layers = [self._layer("interpreter", "python 3.12.10", PYTHON)]
        layers += [self._layer("wheel", name, tree) for name, tree in wheels.items()]
        manifest = Manifest(
            version=version,
            platform=platform.key,
            python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
            layers=tuple(map(layer_record, layers)),
            packages=tuple(_package(*name.split()) for name in wheels),
            environment=environment or {},
        )
        licences = {(one.name, one.version): "MIT" for one in manifest.packages}
        carried = {SBOM: bill_of_materials(manifest, licences, epoch=0)} if sbom else {}
        files = list_files(layers, carried).as_text()
        manifest = replace(manifest, files=sha256(files.encode()).hexdigest())
        documents = {**carried, MANIFEST: pretty_json(manifest.as_json()), FILE_LIST: files}
        tree = {path: File(text.encode()) for path, text in documents.items()}
        layers.append(self._layer("manifest", "bundle.json", tree))
        self.folder.mkdir(exist_ok=True)
        name = f"{version}-{platform.key}"
        archives = [
            pack(self.builder, layers, self.folder / f"{name}.{one}", Compression(format=one), name=name)
            for one in formats
        ]
        built = self.folder / version / platform.key
        if not built.exists():
            built.mkdir(parents=True)
            self.builder.materialise(layers, built)
        entry = entry_of(manifest, layers, archives, folder=built, root=self.folder)
        self.put(self.catalogue.with_entry(entry))
        return entry

    def put(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        (self.folder / "catalogue.json").write_text(json.dumps(catalogue.to_json()))

    def publish(self, url: str = "") -> Path:
        """Publish all bundles to an address, or to a folder; return the folder."""
        folder = self.folder.with_name("remote")
        remote = open_writable(url or str(folder), Access(environ={}, reporter=Reporter()))
        published = []
        for entry in self.catalogue.entries:
            content = self.archive(entry.version).read_bytes()
            layers = []
            for one in read_index(self.archive(entry.version)):
                first, length = one.frames[0].offset, sum(frame.length for frame in one.frames)
                part = content[first : first + length]
                frames = tuple(replace(frame, offset=frame.offset - first) for frame in one.frames)
                layer = PublishedLayer(
                    digest=one.digest,
                    kind=one.kind,
                    name=one.name,
                    version=one.version,
                    blob=Blob.of(part),
                    frames=frames,
                )
                remote.send(layer.blob, lambda part=part: [part])  # type: ignore[misc]
                layers.append(layer)
            document = BundleDocument(entry=replace(entry, path="", archives=()), layers=tuple(layers))
            remote.put_bundle(document)
            published.append(PublishedEntry.of(document))
        catalogue, token = remote.catalogue()
        remote.replace_catalogue(catalogue.with_entries(published), token)
        return folder

    def archive(self, version: str = VERSION, suffix: str = "tar.zst") -> Path:
        return self.folder / f"{version}-linux-x64.{suffix}"

    def tree(self, version: str = VERSION) -> dict[str, tuple[str, int, int, bytes]]:
        """What an install of a version has to be: kind, mode, time and bytes of everything."""
        return read(self.folder / version / "linux-x64")

    def _layer(self, kind: str, title: str, tree: Tree) -> Layer:
        name, _, version = title.partition(" ")
        digest = sha256(repr(sorted(tree.items(), key=str)).encode()).hexdigest()
        grown = self.folder.with_name("grown") / digest
        if not grown.exists():
            grown.parent.mkdir(exist_ok=True)
            grow(grown, tree)
        found = self.builder.find(kind, {"tree": digest})  # type: ignore[arg-type]
        return found or self.builder.add(
            kind,  # type: ignore[arg-type]
            {"tree": digest},
            grown,
            name=name,
            version=version,
            about={},
        )


def _package(name: str, version: str) -> PackageRecord:
    wheel = f"{name}-{version}-py3-none-any.whl"
    return PackageRecord(
        name=name, version=version, decision="wheel", reason="it fits", required_by=("",), file=wheel, sha256="a" * 64
    )


@dataclass
class Machine:
    """A machine with a store and a data folder of its own."""

    root: Path
    told: Told = field(default_factory=Told)

    @property
    def store(self) -> Store:
        return Store(self.root / "cache", reporter=self.told)

    @property
    def records(self) -> Records:
        return Records(self.root / "data")

    @property
    def target(self) -> Target:
        return Target(self.root / "opt" / "demo")

    def access(self, *, offline: bool = False, root: Path | None = None) -> Access:
        return Access(environ={}, reporter=self.told, offline=offline, data=self.root / "data", root=root)

    def source(self, location: str | Path, *, offline: bool = False, root: Path | None = None) -> Source:
        return open_source(str(location), self.access(offline=offline, root=root))

    def place(self, *, keep: bool = False) -> Place:
        return Place(records=self.records, into=self.target.path, keep_previous=keep, machine=LINUX)

    def install(
        self, location: str | Path, version: str = VERSION, *, keep: bool = False, source: Source | None = None
    ) -> Report:
        source = source or self.source(location)
        return install(version, LINUX.key, source, self.place(keep=keep), self.store, reporter=self.told)

    def install_archive(self, archive: Path, *, keep: bool = False) -> Report:
        return install_archive(archive, self.place(keep=keep), reporter=self.told)

    def tree(self) -> dict[str, tuple[str, int, int, bytes]]:
        return read(self.target.path)

    def left(self) -> list[str]:
        """What is beside the install, on the whole machine, apart from what is in the store and in the records."""
        opt = self.root / "opt"
        return sorted(path.name for path in opt.iterdir() if path != self.target.path) if opt.exists() else []

    def scratch(self) -> list[str]:
        """What was left half-made in the store."""
        work = self.root / "cache" / "work"
        return sorted(path.name for path in work.iterdir()) if work.exists() else []
