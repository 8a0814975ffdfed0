"""Projects with bundles that are in the catalogue as builds leave them, made of a few small files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.catalogue import record
from bundle.artifacts.catalogue_entry import Entry, entry_of
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer, LayerKind
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.model.config.project import Project
from bundle.model.manifest import Manifest, PythonRecord
from tests.artifacts.trees import File, grow


class Built:
    """A project whose bundles are an interpreter, which all share, and packages of one file each.

    Args:
        root: the project's folder; made.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        (root / "shared-config.json").write_text("{}")
        self.project = Project(root)
        self.store = Store(root / "cache", reporter=Reporter())

    def bundle(
        self,
        version: str = "3.12.10",
        packages: Mapping[str, bytes] | None = None,
        *,
        platform: str = "linux-x64",
        formats: tuple[str, ...] = ("tar.zst",),
        python: str = "3.12.10",
    ) -> Entry:
        """Make a bundle, its archives and its entry.

        Args:
            packages: the content of each.
        """
        contents = {"cpython": b"python " * 5000, **({"numpy": b"numpy " * 900} if packages is None else packages)}
        layers = [self._layer(name, content) for name, content in contents.items()]
        manifest = Manifest(
            version=version,
            platform=platform,
            python=PythonRecord(requested="3.12.10", actual=python, source="host"),
        )
        output = self.project.output
        archives = [
            pack(self.store, layers, output / f"{version}-{platform}.{format_}", Compression(format=format_))
            for format_ in formats
        ]
        folder = output / version / platform
        entry = entry_of(manifest, layers, archives, folder=folder, root=self.project.root)
        entry = replace(entry, manifest="a" * 64)
        record(self.project.catalogue, entry, reporter=Reporter())
        return entry

    def archive(self, version: str = "3.12.10", platform: str = "linux-x64") -> Path:
        return self.project.output / f"{version}-{platform}.tar.zst"

    def _layer(self, name: str, content: bytes) -> Layer:
        kind: LayerKind = "interpreter" if name == "cpython" else "wheel"
        with self.store.work() as work:
            tree = grow(work / "tree", {f"lib/{name}": File(content)})
            return self.store.add(
                kind, {"name": name, "content": content.hex()[:80]}, tree, name=name, version="1.0", about={}
            )
