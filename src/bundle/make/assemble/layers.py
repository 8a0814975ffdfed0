"""The layers of a bundle: wheels, copyFiles and documents, each made once and then found by its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, canonicalize_version

from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import IntegrityError
from bundle.base.files import copy_hashed
from bundle.base.report import Reporter
from bundle.make.assemble.copyfiles import Copy, copy_into, fingerprint
from bundle.make.interpreter.bytecode import compile_tree
from bundle.make.interpreter.compilers import Compiler
from bundle.model import revisions
from bundle.model.locks.lock import LockedPackage
from bundle.model.manifest import MANIFEST, WHEELHOUSE
from bundle.model.platforms import Platform, short_version
from bundle.model.records import to_json


@dataclass(frozen=True, kw_only=True)
class Layering:
    """Makes the layers of one bundle."""

    store: Store
    platform: Platform
    python: str
    """The actual version, such as `3.12.1`."""
    reporter: Reporter
    compiler: Compiler | None = None
    """Compiles .pyc files; None: no bytecode is compiled."""
    user_site: bool = False
    """Whether scripts import packages of the user's own (`build.userSite`)."""

    def find_wheel(self, sha256: str, package: LockedPackage) -> Layer | None:
        """Return the layer of an installed wheel if the store has it; the wheel itself is not needed then.

        A key that leads to the layer of another package is removed with a warning.
        """
        key = self._wheel_key(sha256, direct_url(package))
        layer = self.store.find("wheel", key)
        if layer is None or _holds(layer, package):
            return layer
        self.reporter.warning(
            f"The store has {layer.name} {layer.version} in place of {package.name} {package.version}; "
            "the wheel is unpacked anew."
        )
        self.store.forget("wheel", key)
        return None

    def wheel(self, wheel: Path, *, sha256: str, package: LockedPackage) -> Layer:
        """Return the layer of an installed wheel, made if the store lacks it.

        Args:
            sha256: the wheel's hash, already verified.
        """
        if found := self.find_wheel(sha256, package):
            return found
        direct = direct_url(package)
        with self.store.work() as work:
            tree = work / "tree"
            tree.mkdir()
            laid = lay_out(
                wheel,
                tree,
                platform=self.platform,
                python=self.python,
                direct_url=direct,
                user_site=self.user_site,
            )
            if self.compiler is not None:
                compile_tree(tree, python=self.compiler.python)
            key = self._wheel_key(sha256, direct)
            about = {"flaws": to_json(laid.flaws)} if laid.flaws else {}
            return self.store.add("wheel", key, tree, name=laid.name, version=laid.version, about=about)

    def carried_wheel(self, wheel: Path, *, sha256: str, package: LockedPackage) -> Layer:
        """Return the layer of a wheel that the bundle carries as a file."""
        key = {"rules": revisions.LAYER, "carried": sha256, "filename": wheel.name}
        if found := self.store.find("wheel", key):
            return found
        with self.store.work() as work:
            tree = work / "tree"
            (tree / WHEELHOUSE).mkdir(parents=True)
            with wheel.open("rb") as reading, (tree / WHEELHOUSE / wheel.name).open("wb") as writing:
                if copy_hashed(reading, writing)[0] != sha256:
                    raise IntegrityError(f"{wheel} changed while it was copied.", remedy="Run the same command again.")
            about = {"carried": wheel.name}
            return self.store.add("wheel", key, tree, name=package.name, version=package.version, about=about)

    def copies(self, copies: Sequence[Copy]) -> Layer:
        """Return the layer of a version's own files."""
        key = {"rules": revisions.LAYER, "copies": fingerprint(copies)}
        if found := self.store.find("copyFiles", key):
            return found
        with self.store.work() as work:
            tree = work / "tree"
            tree.mkdir()
            copy_into(copies, tree)
            return self.store.add("copyFiles", key, tree, name="copyFiles", version="", about={})

    def documents(self, documents: Mapping[str, str]) -> Layer:
        """Return the layer of a bundle's documents, given by their paths."""
        hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in documents.items()}
        key = {"rules": revisions.LAYER, "documents": hashes}
        if found := self.store.find("manifest", key):
            return found
        with self.store.work() as work:
            tree = work / "tree"
            for path, text in documents.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(text, encoding="utf-8", newline="\n")
            return self.store.add("manifest", key, tree, name=MANIFEST, version="", about={})

    def _wheel_key(self, sha256: str, direct_url: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "rules": revisions.LAYER,
            "wheel": sha256,
            "directUrl": dict(direct_url) if direct_url else None,
            "platform": self.platform.key,
            "python": short_version(self.python),
            "bytecode": self.compiler.version if self.compiler else None,
            "userSite": self.user_site,
        }


def _holds(layer: Layer, package: LockedPackage) -> bool:
    """Return whether a layer has the metadata of a package, and of no other."""
    found = [
        entry.path.split("/")[-2].removesuffix(".dist-info").rpartition("-")
        for entry in layer.entries
        if entry.path.endswith(".dist-info/METADATA") and entry.path.split("/")[-3] == "site-packages"
    ]
    if [canonicalize_name(name) for name, _, _ in found] != [package.name]:
        return False
    if package.vcs is not None or package.folder:
        return True  # Its version may follow from its repository's tags, or from any file of the folder.
    return canonicalize_version(found[0][2]) == canonicalize_version(package.version)


def direct_url(package: LockedPackage) -> dict[str, Any] | None:
    """Return the PEP 610 value of a package that came from a repository, None for all others."""
    if package.vcs is None:
        return None
    info = {"vcs": "git", "commit_id": package.vcs.commit}
    if package.vcs.requested:
        info["requested_revision"] = package.vcs.requested
    value: dict[str, Any] = {"url": package.vcs.url, "vcs_info": info}
    if package.vcs.subdirectory:
        value["subdirectory"] = package.vcs.subdirectory
    return value
