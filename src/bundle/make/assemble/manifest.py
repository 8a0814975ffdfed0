"""`bundle.json`: what is inside of one bundle, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import bundle
from bundle.artifacts.store.layers import Conflict, Layer
from bundle.base.files import canonical_json
from bundle.make.interpreter.prepare import Interpreter
from bundle.model.config.config import Config
from bundle.model.locks.lock import ROOT, Lock, LockedPackage

FORMAT = 1


def describe(
    *,
    config: Config,
    interpreter: Interpreter,
    lock: Lock,
    layers: Sequence[Layer],
    built: Mapping[str, str],
    conflicts: Sequence[Conflict],
    floor: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest of a bundle; the same inputs give the same value.

    Args:
        config: the version.
        interpreter: what the bundle runs on.
        lock: which package was chosen, and why.
        layers: in the order in which they lie upon each other.
        built: sha256 of the wheels built from source, by package name.
        conflicts: paths that two layers hold with different bytes.
        floor: the oldest system that all of it runs on, measured.
    """
    asked = {"linux": {"glibc": config.build.floors.glibc}, "macosx": {"macos": config.build.floors.macos}}
    packages = config.packages_for(interpreter.platform.key)
    return {
        "format": FORMAT,
        "bundle": bundle.__version__,
        "version": config.version,
        "platform": interpreter.platform.key,
        "python": interpreter.choice.as_json(),
        "interpreter": dict(interpreter.layer.about),
        "layout": config.build.layout,
        "bytecode": interpreter.bytecode.as_json(),
        "lock": lock.inputs,
        "layers": [layer_facts(layer) for layer in layers],
        "packages": [_package(package, built) for package in lock.packages],
        "overrides": sorted(packages.overrides),
        "noDeps": sorted(packages.no_deps),
        "skipped": [
            {
                "name": skipped.name,
                "kind": skipped.kind,
                "reason": skipped.reason,
                "requiredBy": _askers(skipped.required_by),
            }
            for skipped in lock.skipped
        ],
        "copied": sorted(
            entry.path
            for layer in layers
            if layer.kind == "copyFiles"
            for entry in layer.entries
            if entry.kind != "folder"
        ),
        "conflicts": [{"path": conflict.path, "kept": conflict.kept, "lost": conflict.lost} for conflict in conflicts],
        "floor": dict(floor),
        "floorAsked": asked.get(interpreter.platform.system, {}),
        "accepted": [acceptance.as_json() for acceptance in config.verify.accept],
    }


def layer_facts(layer: Layer) -> dict[str, Any]:
    """Return how a manifest and the catalogue name a layer."""
    return {
        "digest": layer.digest,
        "kind": layer.kind,
        "name": layer.name,
        "version": layer.version,
        "size": layer.size,
    }


def bundle_digest(layers: Sequence[Layer]) -> str:
    """Return the sha256 that stands for all bytes of a bundle: over its layers' digests, in order."""
    return hashlib.sha256(canonical_json([layer.digest for layer in layers])).hexdigest()


def _package(package: LockedPackage, built: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "decision": package.kind,
        "reason": package.reason,
        "requiredBy": _askers(package.required_by),
    }
    if package.file is not None:
        facts |= {"file": package.file.name, "sha256": package.file.sha256}
    if package.vcs is not None:
        facts |= {"repository": package.vcs.url, "commit": package.vcs.commit}
    if package.name in built:
        facts["wheel"] = built[package.name]
    return facts


def _askers(names: Iterable[str]) -> list[str]:
    return ["(the configuration)" if name == ROOT else name for name in names]
