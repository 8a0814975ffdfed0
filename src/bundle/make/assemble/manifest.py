"""The manifest of a bundle that is being built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import bundle
from bundle.artifacts.catalogue_entry import layer_record
from bundle.artifacts.store.layers import Layer, overlay
from bundle.make.interpreter.prepare import Interpreter
from bundle.make.sources.planner import SourceBuild
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import Config
from bundle.model.file_list import FileList, ListedEntry, ListedLayer
from bundle.model.locks.lock import Lock, LockedPackage
from bundle.model.manifest import MANIFEST, Manifest, PackageRecord, PythonRecord, SetRecord, SkippedRecord
from bundle.model.records import from_json
from bundle.model.wheel_flaws import WheelFlaw


def describe_set(config: Config, lock: Lock, sources: Mapping[str, SourceBuild]) -> SetRecord:
    """Return the record of one set of packages.

    Args:
        config: that of the set.
        sources: the builds of source packages, by package name.
    """
    packages = config.packages_for(lock.platform)
    return SetRecord(
        lock=lock.inputs,
        packages=tuple(_package(package, sources.get(package.name)) for package in lock.packages),
        overrides=tuple(sorted(lock.names & packages.overrides.keys())),
        no_deps=tuple(sorted(lock.names & packages.no_deps)),
        skipped=tuple(
            SkippedRecord(
                name=one.name, kind=one.kind, reason=one.reason, required_by=one.required_by, available=one.available
            )
            for one in lock.skipped
        ),
    )


def describe(
    config: Config,
    interpreter: Interpreter,
    sets: Mapping[str, SetRecord],
    layers: Sequence[Layer],
    *,
    unpacked: Sequence[Layer],
    floor: Mapping[str, str],
) -> Manifest:
    """Return the manifest of a bundle; the same inputs give the same value.

    Args:
        sets: by name; under the empty name, the packages of no set.
        layers: in the order in which they lie upon each other.
        unpacked: the layers, and those of the wheels that are carried only.
        floor: the oldest system that all of it runs on, measured.
    """
    choice = interpreter.choice
    versions = [(one.name, one.version) for record in sets.values() for one in record.packages]
    own = [layer for layer in layers if layer.kind == "copyFiles"]
    return Manifest(
        bundle=bundle.__version__,
        version=config.version,
        platform=interpreter.platform.key,
        python=PythonRecord(requested=choice.requested, actual=choice.offer.python, source=choice.offer.source),
        interpreter=dict(interpreter.layer.about),
        layout=config.build.layout,
        bytecode=interpreter.bytecode.as_json(),
        layers=tuple(layer_record(layer) for layer in layers),
        copied=tuple(sorted(entry.path for layer in own for entry in layer.entries if entry.kind != "folder")),
        conflicts=tuple(overlay(layers)[1]),
        flaws=tuple(from_json(WheelFlaw, flaw) for layer in unpacked for flaw in layer.about.get("flaws", ())),
        floor=floor,
        floor_asked=config.build.floors.of(interpreter.platform.system),
        accepted=_applying(
            config.verify.accept, interpreter.platform.key, [*versions, ("python", choice.offer.python)], unpacked
        ),
        known=config.verify.known,
        environment=dict(sorted(config.packages_for(interpreter.platform.key).environment.items())),
        **vars(sets[""]),
        sets={name: record for name, record in sets.items() if name},
    )


def _applying(
    acceptances: Sequence[Acceptance], platform: str, packages: Sequence[tuple[str, str]], layers: Sequence[Layer]
) -> tuple[Acceptance, ...]:
    """Return the acceptances that may apply: one about another version's packages must not change this bundle's bytes.

    Args:
        packages: names with versions.
    """
    paths = [entry.path for layer in layers for entry in layer.entries]
    return tuple(
        one
        for one in acceptances
        if one.holds_on(platform)
        and any(one.names(name, version) for name, version in packages)
        # A name of a module has no slash; which modules there are is known only when the bundle is verified.
        and ("/" not in one.files or one.fits(paths))
    )


def list_files(layers: Sequence[Layer], documents: Mapping[str, str]) -> FileList:
    """Return the list of a bundle's files; where several layers hold a path, the last one has it.

    Args:
        layers: in the order in which they lie upon each other.
        documents: text by path of the bundle's documents that are to be listed.
    """
    entries: dict[str, list[ListedEntry]] = {layer.digest: [] for layer in layers}
    for path, (layer, entry) in overlay(layers)[0].items():
        if path in documents:
            continue
        mode = 0 if entry.kind == "symlink" else entry.mode
        entries[layer.digest].append(ListedEntry(path, mode, entry.size, entry.sha256, entry.target))
    listed = [
        ListedLayer(kind=one.kind, name=one.name, version=one.version, digest=one.digest, entries=tuple(rows))
        for one, rows in zip({layer.digest: layer for layer in layers}.values(), entries.values(), strict=True)
    ]
    if documents:
        rows = [_document(path, text.encode()) for path, text in sorted(documents.items())]
        listed.append(ListedLayer(kind="manifest", name=MANIFEST, version="", digest="", entries=tuple(rows)))
    return FileList(layers=tuple(listed))


def _document(path: str, content: bytes) -> ListedEntry:
    return ListedEntry(path, 0o644, len(content), hashlib.sha256(content).hexdigest(), None)


def _package(package: LockedPackage, build: SourceBuild | None) -> PackageRecord:
    return PackageRecord(
        name=package.name,
        version=package.version,
        decision=package.kind,
        reason=package.reason,
        required_by=package.required_by,
        file=package.file.name if package.file else "",
        sha256=package.file.sha256 if package.file else "",
        repository=package.vcs.url if package.vcs else "",
        commit=package.vcs.commit if package.vcs else "",
        wheel=build.sha256 or "" if build else "",
        isolation=build.isolation if build else "",
        network=build.network if build else "",
    )
