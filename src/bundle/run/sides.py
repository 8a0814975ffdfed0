"""The sides of a comparison: built versions, locks, folders and archives of bundles, bundles at an address."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.artifacts.archives.bundle_archive import open_layer, read_index
from bundle.artifacts.archives.self_extracting import is_self_extracting, take_archive
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import PackageRecord
from bundle.artifacts.described import LARGEST_DOCUMENT, documents_in_layer
from bundle.artifacts.difference import LeftOut, Package, Side
from bundle.artifacts.documents.licences import licences_in
from bundle.artifacts.documents.names import SBOM
from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.store.layers import TOP
from bundle.base.errors import ConfigError
from bundle.base.extract import read_selected
from bundle.base.files import read_regular
from bundle.base.http.urls import redact
from bundle.base.text import did_you_mean, shortened
from bundle.model.config.project import Project, parse_version
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from bundle.model.manifest import MANIFEST, LayerRecord, Manifest, PythonRecord, read_manifest
from bundle.run.described import compressed_sizes, describe_built, describe_offered
from bundle.run.install.archive import is_indexed, manifest_in
from bundle.run.install.source import offer_of
from bundle.run.install.sources import open_source

Licences = Mapping[str, tuple[str, ...]]

_WAYS = (
    "Name a version that is built, a lock (pylock.*.toml), the folder that holds bundle.json, an archive of a bundle, "
    "or ADDRESS@VERSION."
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What the sides of a comparison are read with."""

    project: Project | None
    access: Access

    def read(self, name: str, platform: str) -> Side:
        """Return the side that an argument names.

        Args:
            platform: key, for versions, of which one argument names several bundles; empty if there is no default.

        Raises:
            ConfigError: nothing has that name.
            NetworkError: an address does not answer.
            IntegrityError: it is damaged or contradicts itself.
        """
        path = Path(name)
        if self.project is not None and len(path.parts) == 1:
            catalogue = Catalogue.load(self.project.catalogue)
            if name in catalogue.versions() or (name in self.project.versions() and not path.exists()):
                return _built(name, _required(platform), self.project, catalogue)
        if path.is_dir() and (path / MANIFEST).exists():
            return _of_manifest(read_manifest(path), name, licences=_in_folder(path))
        if path.is_file():
            return _locked(read_lock(path), name) if path.suffix == ".toml" else _packed(path, name)
        address, _, version = name.rpartition("@")
        if address and version and not {"/", "\\"} & set(version):
            parse_version(version)
            return _offered(address, version, _required(platform), self.access)
        raise self._unknown(name)

    def _unknown(self, name: str) -> ConfigError:
        if "://" in name or Path(name).is_dir():
            return ConfigError(
                f"{redact(name)} is no bundle.", cause="It may hold several.", remedy=f"Add @VERSION to it. {_WAYS}"
            )
        known = self.project.versions() if self.project is not None else ()
        return ConfigError(f"{name} is not known.{did_you_mean(name, known)}", remedy=_WAYS)


def _required(platform: str) -> str:
    if not platform:
        raise ConfigError(
            "This machine is none of the known platforms, so there is no default.", remedy="Name one with --platform."
        )
    return platform


def _built(version: str, platform: str, project: Project, catalogue: Catalogue) -> Side:
    entry = catalogue.find(version, platform)
    if entry is None:
        others = [one.platform for one in catalogue.entries if one.version == version]
        raise ConfigError(
            f"The catalogue has no bundle of {version} for {platform}.",
            cause=f"It has that version for {shortened(others)}." if others else "It has not been built.",
            remedy=f"Build it (`bundle build {version} --platform {platform}`), or name another with --platform.",
        )
    return Side.of(describe_built(entry, project.root), entry.version)


def _in_folder(folder: Path) -> Licences | None:
    try:
        return licences_in(read_regular(folder / SBOM, most=LARGEST_DOCUMENT))
    except OSError:
        return None


def _packed(archive: Path, title: str) -> Side:
    with TemporaryDirectory() as scratch:
        if is_self_extracting(archive):
            archive = take_archive(archive, Path(scratch, "archive.tar.gz"))
        manifest = manifest_in(archive)
        if not is_indexed(archive):
            found = read_selected(
                archive, lambda name: name.removeprefix("./") == f"{TOP}/{SBOM}", most=LARGEST_DOCUMENT
            )
            return _of_manifest(manifest, title, licences=next((licences_in(content) for _, content in found), None))
        layers = read_index(archive)
        own = layers[-1]
        with open_layer(archive, own) as file:
            sbom = documents_in_layer(file.read(LARGEST_DOCUMENT), own.frames, own.digest).get(SBOM, b"")
    record = LayerRecord(
        digest=own.digest, kind=own.kind, name=own.name, version=own.version, size=sum(one.size for one in own.frames)
    )
    side = _of_manifest(manifest, title, licences=licences_in(sbom))
    return replace(side, layers=(*manifest.layers, record), compressed=compressed_sizes(layers))


def _offered(address: str, version: str, platform: str, access: Access) -> Side:
    source = open_source(address, access)
    with closing(source):
        described = describe_offered(source, offer_of(source, version, platform))
    return Side.of(described, f"{version} at {source.url}")


def _locked(lock: Lock, title: str) -> Side:
    packages = tuple(
        Package(
            name=one.name,
            set=lock.set_name,
            version=one.version,
            decision=one.kind,
            reason=one.reason,
            file=one.file.name if one.file else f"commit {one.vcs.commit}" if one.vcs else "",
            sha256=one.file.sha256 if one.file else "",
        )
        for one in lock.packages
    )
    left_out = tuple(
        LeftOut(name=one.name, set=lock.set_name, kind=one.kind, reason=one.reason) for one in lock.skipped
    )
    return Side(
        title=title,
        kind="lock",
        version=lock.version,
        platform=lock.platform,
        python=PythonRecord(requested=lock.python, actual=""),
        packages=packages,
        left_out=left_out,
        sets=frozenset({lock.set_name}),
    )


def _of_manifest(manifest: Manifest, title: str, *, licences: Licences | None) -> Side:
    members = manifest.members
    return Side(
        title=title,
        version=manifest.version,
        platform=manifest.platform,
        python=manifest.python,
        packages=tuple(
            Package.of(PackageRecord.of(one), name) for name, member in members.items() for one in member.packages
        ),
        left_out=tuple(LeftOut.of(one, name) for name, member in members.items() for one in member.skipped),
        sets=frozenset(members),
        layers=manifest.layers,
        floor=manifest.floor or None,
        licences=licences,
    )
